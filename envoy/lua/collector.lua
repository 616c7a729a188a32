-- When Lua's garbage is collected. A round looks at all that lives, about 1 MB of scripts, and would begin each time that as
-- much has been thrown away: every hundred requests or so, a tenth of what Envoy spends on one. So it begins at ten times
-- as much, unless there is more than a little: then at twice, so that what large bodies and many streams leave is bounded.
local RARELY, OFTEN = 1000, 200 -- begins at this many percent of what lived after the last round
local LITTLE = 8192 -- KB
local LARGE = 262144 -- bytes of one text
local CALLS = 64

local calls = 0

-- Before a text of `size` is read.
local function expect(size)
  calls = calls - 1
  if size > LARGE then
    calls = CALLS
    collectgarbage("setpause", OFTEN)
  elseif calls <= 0 then
    calls = CALLS
    collectgarbage("setpause", collectgarbage("count") < LITTLE and RARELY or OFTEN)
  end
end

return { expect = expect }
