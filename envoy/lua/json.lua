-- JSON: reads an object in one pass, without recursion and without building a tree.
--
-- It is strict wherever the bounds of a value are at stake: no comments, no single quotes, no NaN, no trailing commas, and
-- brackets must match. So a more lenient server finds the same keys with the same values. The content of strings is left to
-- the reader; strings are skipped with `find`, since a prompt is one long string.
--
-- The walk calls a reader for each item:
--   reader:key(depth, first, last)       a key, without quotes, in the object at `depth`
--   reader:text(depth, first, last)      a string value, without quotes
--   reader:scalar(depth, first, last)    a number, true, false, null
--   reader:numbers(depth, count)         several numbers in a row in an array, as tokens are sent
--   reader:opens(depth, at, is_array)    a container; `depth` is the depth inside it
--   reader:closes(depth, at)
-- The reader may set `reader.stop` to end the walk.

local MAX_DEPTH = 512 -- as in the parsers of model servers: CPython's and serde's give up there or earlier

local MAX_ROW = 4096 -- numbers that are counted before the reader is called, and may stop the walk

local QUOTE, BACKSLASH, COLON, COMMA, MINUS, PLUS, DOT = 0x22, 0x5C, 0x3A, 0x2C, 0x2D, 0x2B, 0x2E
local OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY = 0x7B, 0x7D, 0x5B, 0x5D

local byte, sub, find = string.byte, string.sub, string.find

local function skip_more(text, at)
  while true do
    local c = byte(text, at)
    if c ~= 0x20 and c ~= 0x0A and c ~= 0x0D and c ~= 0x09 then return at, c end
    at = at + 1
  end
end

-- The first position from `at` that is not white space, and the character there. LuaJIT refuses to compile a loop that
-- seldom repeats, and every path through it; so the usual cases here and below have no loop.
local function skip_space(text, at)
  local c = byte(text, at)
  if c == nil or c > 0x20 then return at, c end
  if c ~= 0x20 then return skip_more(text, at) end
  c = byte(text, at + 1)
  if c == nil or c > 0x20 then return at + 1, c end
  return skip_more(text, at + 1)
end

-- The first unescaped quote from `quote` on (a quote itself), in a string that goes on from `from`; nil if there is none.
local function unescaped(text, from, quote)
  repeat
    local slash = quote - 1
    while slash >= from and byte(text, slash) == BACKSLASH do slash = slash - 1 end
    if (quote - slash) % 2 == 1 then return quote end
    from = quote + 1
    quote = find(text, '"', from, true)
  until quote == nil
end

-- The closing quote of the string whose first character is at `at`, or nil.
local function string_end(text, at)
  local quote = find(text, '"', at, true)
  if quote == nil or byte(text, quote - 1) ~= BACKSLASH then return quote end
  return unescaped(text, at, quote)
end

local function digits_end(text, at)
  local c = byte(text, at)
  if c == nil or c < 0x30 or c > 0x39 then return nil end
  repeat
    at = at + 1
    c = byte(text, at)
  until c == nil or c < 0x30 or c > 0x39
  return at, c
end

-- The last position of the number that begins at `at` with `c`, or nil.
local function number_end(text, at, c)
  if c == MINUS then
    at = at + 1
    c = byte(text, at)
  end
  if c == 0x30 then
    at = at + 1
    c = byte(text, at)
  else
    at, c = digits_end(text, at)
    if at == nil then return nil end
  end
  if c == DOT then
    at, c = digits_end(text, at + 1)
    if at == nil then return nil end
  end
  if c == 0x65 or c == 0x45 then
    c = byte(text, at + 1)
    at = digits_end(text, (c == PLUS or c == MINUS) and at + 2 or at + 1)
    if at == nil then return nil end
  end
  return at - 1
end

local function scalar_end(text, at, c)
  if c == 0x74 and sub(text, at, at + 3) == "true" then return at + 3 end
  if c == 0x66 and sub(text, at, at + 4) == "false" then return at + 4 end
  if c == 0x6E and sub(text, at, at + 3) == "null" then return at + 3 end
  return number_end(text, at, c)
end

-- Counts the numbers in an array, of which the first begins at `at` with `c`. Returns the last position of the last one, and
-- how many there are; nil if one is not a number.
local function numbers_end(text, at, c)
  local count = 0
  while true do
    local last = number_end(text, at, c)
    if last == nil then return nil end
    count = count + 1
    at, c = skip_space(text, last + 1)
    if c ~= COMMA or count == MAX_ROW then return last, count end
    at, c = skip_space(text, at + 1)
    if c ~= MINUS and (c == nil or c < 0x30 or c > 0x39) then return last, count end
  end
end

-- The positions of the next line feed, carriage return and tab, so that each is searched for only once; and the first of the
-- three.
local newline, return_, tab, next_break = 0, 0, 0, 0

local function look_for_breaks(text, first)
  if newline < first then newline = find(text, "\n", first, true) or math.huge end
  if return_ < first then return_ = find(text, "\r", first, true) or math.huge end
  if tab < first then tab = find(text, "\t", first, true) or math.huge end
  next_break = math.min(newline, return_, tab)
end

-- Whether the string text[first..last] holds a raw line feed, carriage return or tab: JSON allows them only as \n, \r and
-- \t.
local function breaks(text, first, last)
  if next_break < first then look_for_breaks(text, first) end
  return next_break <= last
end

-- The inside of the string whose quote is at `at`; returns nil if there is no valid string.
local function string_at(text, at)
  local close = string_end(text, at + 1)
  return close and not breaks(text, at, close) and close or nil
end

-- Whether the container at each depth is an array.
local in_array = {}

-- Reads the value at `at`, which begins with `c`, is not a container, and is in an array or behind a key. Returns its last
-- position, or nil.
local function leaf(text, at, c, depth, reader)
  local last, count
  if c == QUOTE then
    last = string_at(text, at)
    if last then reader:text(depth, at + 1, last - 1) end
  elseif in_array[depth] and c ~= nil and c <= 0x39 then
    last, count = numbers_end(text, at, c)
    if last then reader:numbers(depth, count) end
  else
    last = scalar_end(text, at, c)
    if last then reader:scalar(depth, at, last) end
  end
  return last
end

-- Reads the key at the quote `at`. Returns where its value begins, and the value's first character; or nil.
local function key_at(text, at, c, depth, reader)
  local close = c == QUOTE and string_at(text, at)
  if not close then return nil end
  reader:key(depth, at + 1, close - 1)
  at, c = skip_space(text, close + 1)
  if c ~= COLON then return nil end
  return skip_space(text, at + 1)
end

-- Walks the object that opens at `at`. Returns the position of its closing brace; nil if it is not a valid object, or if the
-- reader stopped.
local function walk(text, at, reader)
  if byte(text, at) ~= OPEN_OBJECT then return nil end
  newline, return_, tab, next_break = 0, 0, 0, 0
  in_array[1] = false
  -- `ended`: a value has ended, so a comma or a closing bracket must follow; `empty`: the container is still empty, so it
  -- may close.
  local depth, c, ended, empty = 1, nil, false, true
  at, c = skip_space(text, at + 1)
  while true do
    if (ended or empty) and c == (in_array[depth] and CLOSE_ARRAY or CLOSE_OBJECT) then
      reader:closes(depth, at)
      depth, ended, empty = depth - 1, true, false
      if depth == 0 then return at end
    elseif ended then
      if c ~= COMMA then return nil end
      ended = false
    else
      if not in_array[depth] then
        at, c = key_at(text, at, c, depth, reader)
        if at == nil then return nil end
      end
      if c == OPEN_OBJECT or c == OPEN_ARRAY then
        depth = depth + 1
        if depth > MAX_DEPTH then return nil end
        in_array[depth] = c == OPEN_ARRAY
        reader:opens(depth, at, in_array[depth])
        empty = true
      else
        at = leaf(text, at, c, depth, reader)
        if at == nil then return nil end
        ended, empty = true, false
      end
      if reader.stop then return nil end
    end
    at, c = skip_space(text, at + 1)
  end
end

return { skip_space = skip_space, string_end = string_end, walk = walk }
