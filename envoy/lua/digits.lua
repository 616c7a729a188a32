-- Numbers as they are written: of small ones, which are most, each is a string that is there already.

local MOST = 255

local small = {}
for number = 0, MOST do small[number] = tostring(number) end

-- A whole number below 10^14.
local function spelled(number)
  return small[number] or string.format("%.0f", number)
end

return { spelled = spelled }
