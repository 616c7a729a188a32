-- Replaces the model's name in a request whose server knows the model by another name: in a JSON object, in a form or in a
-- path. The meter has read that name before, once and without ambiguity. In a JSON object it also sets the request's
-- priority, in place of the client's own.

local find, sub, byte = string.find, string.sub, string.byte

local OPEN, CLOSE = 0x7B, 0x7D
local BYTE_ORDER_MARK = "\239\187\191"

local Reader = {}
Reader.__index = Reader

function Reader:key(depth, first, last)
  if depth ~= 1 then return end
  self.at = sub(self.body, first, last):gsub("\\u00(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end)
end

-- Writes `text` as the value of the current key, if it is one of those that change.
function Reader:put(depth, first, last)
  local text = depth == 1 and self.put_for[self.at]
  if not text then return end
  self.parts[#self.parts + 1] = sub(self.body, self.copied + 1, first - 1)
  self.parts[#self.parts + 1] = text
  self.copied, self.found[self.at] = last, true
end

function Reader:text(depth, first, last)
  self:put(depth, first - 1, last + 1)
  self.stop = self.found.model and not self.put_for.priority
end

function Reader:scalar(depth, first, last) self:put(depth, first, last) end

function Reader:numbers() end

function Reader:opens(depth, at)
  if depth == 2 then self.opened = at end
end

function Reader:closes(depth, at)
  if depth == 2 then self:put(1, self.opened, at) end
end

local function quoted(name)
  return '"' .. name:gsub('[%c"\\]', function(c) return string.format("\\u%04x", byte(c)) end) .. '"'
end

-- A key that was missing is put first.
local function in_object(text, name, priority)
  local put_for = { model = name ~= "" and quoted(name) or nil, priority = priority and string.format("%d", priority) }
  local start = json.skip_space(text, sub(text, 1, 3) == BYTE_ORDER_MARK and 4 or 1)
  if byte(text, start) ~= OPEN then return text end
  local reader = setmetatable({ body = text, put_for = put_for, parts = {}, found = {}, copied = start }, Reader)
  json.walk(text, start, reader)
  local first = sub(text, 1, start)
  if priority and not reader.found.priority then
    local _, next_byte = json.skip_space(text, start + 1)
    first = first .. '"priority":' .. put_for.priority .. (next_byte == CLOSE and "" or ",")
  end
  return first .. table.concat(reader.parts) .. sub(text, reader.copied + 1)
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

-- The body with `name` in place of the model's, unless `name` is "", and with `priority` if there is one.
local function in_body(text, name, priority)
  if sub(text, 1, 1) == "-" then return name ~= "" and in_form(text, name) or text end
  return in_object(text, name, priority)
end

-- If a path holds the model's name twice, the one behind one of these segments counts.
local BEHIND = { models = true, model = true, tunedmodels = true, deployments = true, engines = true }

-- The place of `model` in `path`: a whole segment, or the part of one before a colon.
local function place_in(path, model)
  local at, from, to = 1, nil, nil
  while true do
    local first, last = find(path, "/" .. model, at, true)
    if first == nil then return from, to end
    local behind = sub(path, last + 1, last + 1)
    if behind == "" or behind == "/" or behind == ":" then
      if from == nil or BEHIND[sub(path, 1, first - 1):lower():match("[^/]*$")] then from, to = first, last end
    end
    at = first + 1
  end
end

local function decoded(digits) return string.char(tonumber(digits, 16)) end
local function escaped(c) return string.format("%%%02X", byte(c)) end

-- The path with `name` in place of `model`, which ratelimit read in the decoded path. Fails if `model` is not there: under
-- the name that the client chose, the server might run another model.
local function in_path(path, model, name)
  local ends = find(path, "?", 1, true) or #path + 1
  local read = sub(path, 1, ends - 1):gsub("%%(%x%x)", decoded):gsub("/+", "/")
  local from, to = place_in(read, model)
  if from == nil then error("the path does not name " .. model) end
  local before, behind = sub(read, 1, from):gsub("[^!-~]", escaped), sub(read, to + 1):gsub("[^!-~]", escaped)
  return before .. name:gsub("[^%w._~-]", escaped) .. behind .. sub(path, ends)
end

-- Sets the model's name in the request's body, if it is there and `name` is not "", and sets the priority.
local function body_of(handle, name, priority)
  local body = handle:body()
  if body == nil or body:length() == 0 then return end
  local text = body:getBytes(0, body:length())
  local changed = in_body(text, name, priority)
  if changed ~= text then body:setBytes(changed) end
end

return { body_of = body_of, in_path = in_path }
