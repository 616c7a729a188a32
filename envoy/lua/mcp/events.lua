-- Server-sent events that pass: each that holds a list of tools is passed on without those that a key may not call.
--
-- What does not end an event is held until its end comes; one that never ends is none (the standard has it dropped).

local MAX_EVENT = 4194304 -- bytes; a longer one is dropped
local find, sub, gsub = string.find, string.sub, string.gsub

-- The event with the message `changed` makes of its own; nothing if that is none.
local function event_with(event, changed)
  local before, data = {}, {}
  for line in event:gmatch("[^\n]+") do
    local value = line:match("^data: ?(.*)$")
    if value then data[#data + 1] = value else before[#before + 1] = line end
  end
  local message = changed(table.concat(data, " "))
  if message == nil then return "" end
  before[#before + 1] = "data: " .. message
  return table.concat(before, "\n") .. "\n\n"
end

local Events = {}
Events.__index = Events

local function new(changed) return setmetatable({ changed = changed, rest = "" }, Events) end

-- What is to be passed on of a chunk, with line ends that are newlines.
function Events:read(chunk)
  local text = self.rest .. chunk
  self.rest = ""
  if sub(text, -1) == "\r" then text, self.rest = sub(text, 1, -2), "\r" end -- a newline may follow
  if find(text, "\r", 1, true) then text = gsub(gsub(text, "\r\n", "\n"), "\r", "\n") end
  local out, from = {}, 1
  while true do
    local _, last = find(text, "\n\n", from, true)
    if last == nil then break end
    if self.dropping then
      self.dropping = false
    else
      local event = sub(text, from, last)
      out[#out + 1] = find(event, '"tools"', 1, true) and event_with(event, self.changed) or event
    end
    from = last + 1
  end
  self.rest = sub(text, from) .. self.rest
  if #self.rest > MAX_EVENT then self.rest, self.dropping = sub(self.rest, -1), true end
  return table.concat(out)
end

return { new = new }
