-- Numbers as decimal text. Most are small, and the strings of small numbers are kept ready.

local MOST = 255

local small = {}
for number = 0, MOST do small[number] = tostring(number) end

-- The decimal text of a whole number below 10^14.
local function spelled(number)
  return small[number] or string.format("%.0f", number)
end

return { spelled = spelled }
