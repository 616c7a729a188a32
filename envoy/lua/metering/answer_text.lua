-- Plain searches in the text of a JSON answer: for the ends of strings, and for parts to skip.
local byte, find = string.byte, string.find

local BACKSLASH, COMMA, SPACE = 0x5C, 0x2C, 0x20

-- The first unescaped quote from `quote` on (a quote itself), in a string that goes on from `from`; nil if there is none.
local function unescaped(text, from, last, quote)
  repeat
    local before = quote - 1
    while before >= from and byte(text, before) == BACKSLASH do before = before - 1 end
    if (quote - before) % 2 == 1 then return quote end
    quote = find(text, '"', quote + 1, true)
  until quote == nil or quote > last
end

-- The closing quote at or after `from`, or nil; `from` is inside the string. The usual case has no loop (reason: json.lua).
local function string_end(text, from, last)
  local quote = find(text, '"', from, true)
  if quote == nil or quote > last then return nil end
  if quote == from or byte(text, quote - 1) ~= BACKSLASH then return quote end
  return unescaped(text, from, last, quote)
end

-- Whether the next span begins with a character that a backslash at the end of this one escapes.
local function ends_escaped(text, from, last)
  local before = last
  while before >= from and byte(text, before) == BACKSLASH do before = before - 1 end
  return (last - before) % 2 == 1
end

-- The position to go on from, behind a value that ends before `at`: most values are followed by a comma and a space.
local function after_comma(text, at)
  if byte(text, at) ~= COMMA then return at end
  return byte(text, at + 1) == SPACE and at + 2 or at + 1
end

local function with_escapes(text, last, size, at)
  repeat
    if byte(text, at + 1) == 0x75 then size, at = size - 3, at + 6 else size, at = size - 1, at + 2 end
    at = find(text, "\\", at, true)
  until at == nil or at > last
  return size
end

-- The number of bytes of text inside a JSON string; \uXXXX counts as about three.
local function text_bytes(text, from, last)
  local size = last - from + 1
  local at = find(text, "\\", from, true)
  if at == nil or at > last then return size end
  return with_escapes(text, last, size, at)
end

-- The first bracket or quote from `from` on. While the same text is read from start to end, each of the five characters is
-- searched for again only after its last hit has been passed.
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
