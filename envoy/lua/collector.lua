-- Sets when Lua's garbage collector runs. A round visits all live memory, about 1 MB of scripts, and by default begins each
-- time as much again has been allocated: every hundred requests or so, a tenth of Envoy's work per request. So a round
-- begins only at ten times the live memory; but at twice if more than LITTLE is in use, so that garbage of large bodies and
-- many streams is bounded.
local RARELY, OFTEN = 1000, 200 -- percent of the memory that lived after the last round, at which the next begins
local LITTLE = 8192 -- KB
local LARGE = 262144 -- bytes of one text
local CALLS = 64

local calls = 0

-- Called before a text of `size` bytes is read.
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
