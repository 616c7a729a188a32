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

-- `parts`: chunks that have not ended an event yet, `size` bytes in all; `cut`: a line end whose newline may follow.
local function new(changed) return setmetatable({ changed = changed, parts = {}, size = 0, cut = "" }, Events) end

-- With line ends that are newlines.
function Events:plain(chunk)
  local text = self.cut .. chunk
  self.cut = ""
  if sub(text, -1) == "\r" then text, self.cut = sub(text, 1, -2), "\r" end
  if find(text, "\r", 1, true) then text = gsub(gsub(text, "\r\n", "\n"), "\r", "\n") end
  return text
end

function Events:hold(text)
  if text == "" then return end
  self.parts[#self.parts + 1] = text
  self.size = self.size + #text
  if self.size > MAX_EVENT then self.parts, self.size, self.dropping = { sub(text, -1) }, 1, true end
end

-- Whether an event ends with `text`, or within it.
function Events:ends(text)
  local last = self.parts[#self.parts]
  return find(text, "\n\n", 1, true) or last and sub(last, -1) == "\n" and sub(text, 1, 1) == "\n"
end

-- An escaped letter may hide the name.
local function may_list(event) return find(event, '"tools"', 1, true) or find(event, "\\u00", 1, true) end

-- What is to be passed on of a chunk.  Chunks are joined once an event has ended, so that one that comes in many costs no
-- more than its length.
function Events:read(chunk)
  local text = self:plain(chunk)
  if not self:ends(text) then
    self:hold(text)
    return ""
  end
  self.parts[#self.parts + 1] = text
  text, self.parts, self.size = table.concat(self.parts), {}, 0
  local out, from = {}, 1
  while true do
    local _, last = find(text, "\n\n", from, true)
    if last == nil then break end
    if self.dropping then
      self.dropping = false
    else
      local event = sub(text, from, last)
      out[#out + 1] = may_list(event) and event_with(event, self.changed) or event
    end
    from = last + 1
  end
  self:hold(sub(text, from))
  return table.concat(out)
end

return { new = new }
