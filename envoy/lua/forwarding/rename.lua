-- The name of the model in a request, where the server that it goes to calls the model by another: in a JSON object, in a form,
-- in a path.  What stands there was read by the meter before, once and without doubt.

local find, sub, byte = string.find, string.sub, string.byte

local BYTE_ORDER_MARK = "\239\187\191"

local Reader = {}
Reader.__index = Reader

function Reader:key(depth, first, last)
  if depth ~= 1 then return end
  local name = sub(self.body, first, last):gsub("\\u00(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end)
  self.at_model = name == "model"
end

function Reader:text(depth, first, last)
  if depth == 1 and self.at_model then self.first, self.last, self.stop = first, last, true end
end

function Reader:scalar() end
function Reader:numbers() end
function Reader:opens() end
function Reader:closes() end

local function in_object(text, name)
  local reader = setmetatable({ body = text }, Reader)
  json.walk(text, json.skip_space(text, sub(text, 1, 3) == BYTE_ORDER_MARK and 4 or 1), reader)
  if not reader.first then return text end
  local quoted = name:gsub('[%c"\\]', function(c) return string.format("\\u%04x", byte(c)) end)
  return sub(text, 1, reader.first - 1) .. quoted .. sub(text, reader.last + 1)
end

local function in_form(text, name)
  local mark = text:match("^(%-%-[^\r\n]+)\r\n")
  if mark == nil then return text end
  local at = 1
  while true do
    local head_end = find(text, "\r\n\r\n", at, true)
    if head_end == nil then return text end
    local first = head_end + 4
    local next_mark = find(text, "\r\n" .. mark, head_end + 2, true)
    if next_mark == nil then return text end
    local head = sub(text, at + #mark, head_end)
    if find(head, '[; ]name="model"') and not find(head:lower(), "filename", 1, true) then
      return sub(text, 1, first - 1) .. name .. sub(text, next_mark)
    end
    at = next_mark + 2
  end
end

-- The body with `name` in place of the model's; as it is if it names none.
local function in_body(text, name)
  return sub(text, 1, 1) == "-" and in_form(text, name) or in_object(text, name)
end

-- The path with `name` in place of its segment `model`, or of what stands before a colon in it.
local function in_path(path, model, name)
  local ends = find(path, "?", 1, true) or #path + 1
  local at = 1
  while true do
    local first, last = find(path, "/" .. model, at, true)
    if first == nil or last >= ends then return path end
    local behind = sub(path, last + 1, last + 1)
    if behind == "" or behind == "/" or behind == ":" or behind == "?" then
      local escaped = name:gsub("[^%w._~-]", function(c) return string.format("%%%02X", byte(c)) end)
      return sub(path, 1, first) .. escaped .. sub(path, last + 1)
    end
    at = first + 1
  end
end

-- Changes the model's name in the request's body, if it is there.
local function body_of(handle, name)
  local body = handle:body()
  if body == nil or body:length() == 0 then return end
  local text = body:getBytes(0, body:length())
  local changed = in_body(text, name)
  if changed ~= text then body:setBytes(changed) end
end

return { body_of = body_of, in_path = in_path }
