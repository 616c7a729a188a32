-- Server-sent events on their way to the client. Each event with a list of tools loses the tools that the key may not call.
--
-- An incomplete event is held until its end arrives; if it never ends, it is dropped, as the standard requires.

local MAX_EVENT = 4194304 -- bytes; a longer event is dropped
local find, sub, gsub = string.find, string.sub, string.gsub

-- The event with its message replaced by the result of `changed`; empty if there is none.
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

-- `parts`: chunks that have not completed an event yet, `size` bytes in all; `cut`: a CR whose LF may follow.
local function new(changed) return setmetatable({ changed = changed, parts = {}, size = 0, cut = "" }, Events) end

-- The chunk with all line ends as LF.
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

-- Whether `text` completes an event.
function Events:ends(text)
  local last = self.parts[#self.parts]
  return find(text, "\n\n", 1, true) or last and sub(last, -1) == "\n" and sub(text, 1, 1) == "\n"
end

-- Whether an event may hold a list of tools. An escaped letter may hide the name.
local function may_list(event) return find(event, '"tools"', 1, true) or find(event, "\\u00", 1, true) end

-- The part of the output that a chunk completes. Chunks are joined only when an event has ended, so that the cost of an
-- event in many chunks is linear in its length.
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
