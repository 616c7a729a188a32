-- Plain searches in the text of a JSON answer: strings, and what is passed over without being read.
local byte, find = string.byte, string.find

local BACKSLASH, COMMA, SPACE = 0x5C, 0x2C, 0x20

-- The closing quote at or after `from`, or nil; `from` is inside of the string.
local function string_end(text, from, last)
  local at = from
  while true do
    local quote = find(text, '"', at, true)
    if quote == nil or quote > last then return nil end
    local before = quote - 1
    while before >= from and byte(text, before) == BACKSLASH do before = before - 1 end
    if (quote - before) % 2 == 1 then return quote end
    at = quote + 1
  end
end

-- Whether the next span begins with a character that a backslash at the end of this one escapes.
local function ends_escaped(text, from, last)
  local before = last
  while before >= from and byte(text, before) == BACKSLASH do before = before - 1 end
  return (last - before) % 2 == 1
end

-- Where to go on behind a value that ends before `at`: most have a comma there, and a space.
local function after_comma(text, at)
  if byte(text, at) ~= COMMA then return at end
  return byte(text, at + 1) == SPACE and at + 2 or at + 1
end

-- Bytes of the text that a JSON string's inside stands for; \uXXXX is about three.
local function text_bytes(text, from, last)
  local size = last - from + 1
  local at = size > 0 and find(text, "\\", from, true)
  while at and at <= last do
    if byte(text, at + 1) == 0x75 then size, at = size - 3, at + 6 else size, at = size - 1, at + 2 end
    at = find(text, "\\", at, true)
  end
  return size
end

-- The first bracket or quote from `from` on. Each of the five is looked for once for every time that it is passed, as
-- long as the same text is gone through from its start to its end.
local marks = { '"', "{", "}", "[", "]" }
local next_at, looked_in, looked_from = { 0, 0, 0, 0, 0 }, nil, 0
local function next_mark(text, from)
  if looked_in ~= text or from < looked_from then
    looked_in = text
    for i = 1, 5 do next_at[i] = 0 end
  end
  looked_from = from
  local nearest = #text + 1
  for i = 1, 5 do
    local at = next_at[i]
    if at < from then
      at = find(text, marks[i], from, true) or #text + 1
      next_at[i] = at
    end
    if at < nearest then nearest = at end
  end
  return nearest
end

return {
  string_end = string_end, ends_escaped = ends_escaped, text_bytes = text_bytes, next_mark = next_mark,
  after_comma = after_comma,
}
