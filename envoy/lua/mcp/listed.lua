-- Removes from a list of tools those that a key may not call: elements of `result.tools` in a message, by their names.
-- Everything else in the message stays as it is, including the cursor of the next page.

local sub, gsub = string.sub, string.gsub

local Reader = {}
Reader.__index = Reader

local function unescaped(raw)
  return (gsub(raw, "\\u00(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

function Reader:key(depth, first, last)
  local name = unescaped(sub(self.message, first, last))
  if depth == 1 then
    self.in_result = name == "result"
  elseif depth == 2 then
    self.at_tools = self.in_result and name == "tools"
  elseif depth == 4 then
    self.at_name = self.element ~= nil and name == "name"
  end
end

local function named(self, raw)
  self.is_named = true
  if not self.allowed[unescaped(raw)] then self.is_hidden = true end
end

function Reader:text(depth, first, last)
  if depth == 4 and self.at_name then named(self, sub(self.message, first, last)) end
  self.at_name = false
end

function Reader:scalar() end
function Reader:numbers() end

function Reader:opens(depth, at, is_array)
  if depth == 3 and self.at_tools and is_array then
    self.list_from, self.kept = at, {}
  elseif depth == 4 and self.kept then
    self.element, self.is_named, self.is_hidden = at, false, false
  end
end

function Reader:closes(depth, at)
  if depth == 4 and self.element then
    if self.is_named and not self.is_hidden then self.kept[#self.kept + 1] = sub(self.message, self.element, at) end
    self.element = nil
  elseif depth == 3 and self.kept then
    self.lists[#self.lists + 1] = { self.list_from, at, "[" .. table.concat(self.kept, ",") .. "]" }
    self.kept, self.at_tools = nil, false
  end
end

-- `allowed`: a table with the value true for each allowed name. Nil if the text is not a message.
local function only(message, allowed)
  local reader = setmetatable({ message = message, allowed = allowed, lists = {} }, Reader)
  local open = json.skip_space(message, 1)
  local close = json.walk(message, open, reader)
  if close == nil or json.skip_space(message, close + 1) <= #message then return nil end
  local out, from = {}, 1
  for _, list in ipairs(reader.lists) do
    out[#out + 1] = sub(message, from, list[1] - 1)
    out[#out + 1] = list[3]
    from = list[2] + 1
  end
  out[#out + 1] = sub(message, from)
  return table.concat(out)
end

return { only = only }
