-- Forms (multipart/form-data): audio transcriptions and image edits. The fields of a form are read like the keys of a JSON
-- body. A form that parsers could read in two ways is rejected.

local find, sub, byte = string.find, string.sub, string.byte

local MAX_PARTS = 1000
local MAX_HEAD = 8192
local READ = {}
for _, name in pairs(fields.TOP) do READ[name] = true end
-- Fields that become part of the prompt of a transcription, or the whole prompt of an image.
local TEXT = { prompt = true, input = true, text = true, instructions = true }

local function boundary_of(content_type)
  local lower = content_type:lower()
  if not find(lower, "^%s*multipart/form%-data%s*;") then return nil end
  local _, count = lower:gsub("boundary%s*=", "")
  if count ~= 1 then return nil end
  local from = select(2, find(lower, "boundary%s*="))
  local rest = sub(content_type, from + 1)
  local boundary = rest:match('^"([^"\\]+)"%s*$') or rest:match('^"([^"\\]+)"%s*;') or rest:match("^([%w'()+_,./:=?-]+)%s*$")
    or rest:match("^([%w'()+_,./:=?-]+)%s*;")
  return boundary and #boundary <= 70 and boundary or nil
end

local function quoted(text)
  return '"' .. text:gsub('[%c"\\]', function(c) return string.format("\\u%04x", byte(c)) end) .. '"'
end

-- The name, file name and media type in the head of a part; nil if parsers could read it in two ways.
local function head_of(text)
  local name, file, mime
  for line in (text .. "\r\n"):gmatch("(.-)\r\n") do
    local field, value = line:match("^([%w-]+):%s*(.*)$")
    if field == nil and line ~= "" then return nil end
    field = field and field:lower()
    if field == "content-disposition" then
      if name then return nil end
      local _, names = value:gsub(";%s*[nN][aA][mM][eE]%s*%*?%d*%*?%s*=", "")
      if names ~= 1 then return nil end
      name = value:match('^form%-data;.-[; ]name="([^"\\]*)"')
      if name == nil then return nil end
      if find(value:lower(), "filename") then file = true end
    elseif field == "content-type" then
      mime = value
    elseif field == "content-transfer-encoding" and not find(value:lower(), "^%s*[78]?b") then
      return nil
    end
  end
  if name == nil or name == "_charset_" then return nil end -- `_charset_` sets how servers decode the other fields
  return name, file, mime
end

local function take_field(asked, name, mime, text, first, last)
  if mime and not bytes.is_utf8(mime, sub(text, first, last)) then return false end
  if READ[name] then
    if asked.scalars[name] then
      asked.stop, asked.twice = "duplicate_key", name
      return
    end
    local value = sub(text, first, last)
    if not bytes.is_plain(value) then return false end
    -- A form has no types: a value that looks like a count or a switch is taken for one.
    local plain = name ~= "model" and (find(value, "^%d+$") and not find(value, "^0%d") or value == "true" or value == "false")
    asked.scalars[name] = plain and value or quoted(value)
  elseif TEXT[name] then
    asked.strings = asked.strings + 1
    sample.add(asked.text_sample, first, last)
  elseif fields.TOP[(fields.folded(name))] then
    asked.stop, asked.twice = "ambiguous_key", (fields.folded(name))
  end
  return true
end

-- Reads the form in `text` into `asked`; false if it is not a valid form.
local function read(content_type, text, asked)
  local boundary = boundary_of(content_type)
  if boundary == nil then return false end
  local mark = "--" .. boundary
  if sub(text, 1, #mark) ~= mark then return false end
  asked.form = true
  local at = 1
  for _ = 1, MAX_PARTS do
    local after = at + #mark
    if sub(text, after, after + 1) == "--" then
      return find(sub(text, after + 2, after + 5), "^\r?\n?$") ~= nil and #text <= after + 3
    end
    if sub(text, after, after + 1) ~= "\r\n" then return false end
    local head_end = find(text, "\r\n\r\n", after, true)
    if head_end == nil or head_end - after > MAX_HEAD then return false end
    local name, file, mime = head_of(sub(text, after + 2, head_end - 1))
    if name == nil then return false end
    local first = head_end + 4
    -- In an empty part, the blank line already belongs to the next boundary.
    local next_mark = find(text, "\r\n" .. mark, head_end + 2, true)
    if next_mark == nil then return false end
    local last = next_mark - 1
    if file then
      if fields.TOP[(fields.folded(name))] then return false end -- servers differ on a name that is a field and a file
      asked:add_media(media.of_file(mime, text, first, last))
    elseif not take_field(asked, name, mime, text, first, last) then
      return false
    end
    at = next_mark + 2
  end
  return false
end

return { read = read }
