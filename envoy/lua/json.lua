-- JSON: one pass over an object, no recursion, no tree.
--
-- Strict in all that decides where a value begins and ends: no comments, no single quotes, no NaN, no trailing commas,
-- brackets that match.  So a server that is more lenient finds the same keys with the same values.  What a string says is
-- left to who reads it; it is skipped with `find`, since a prompt is one long string.
--
-- A reader is told of everything:
--   reader:key(depth, first, last)       a key, without quotes, in the object at `depth`
--   reader:text(depth, first, last)      a string value, without quotes
--   reader:scalar(depth, first, last)    a number, true, false, null
--   reader:numbers(depth, count)         so many numbers in a row in an array, which is how tokens come
--   reader:opens(depth, at, is_array)    a container, of which `depth` is the inside
--   reader:closes(depth, at)
-- It may set `reader.stop` to end the walk.

local MAX_DEPTH = 512 -- what model servers' own parsers take; CPython's and serde's give up there or before

local MAX_ROW = 4096 -- numbers that are counted before the reader hears of them, and may stop

local QUOTE, BACKSLASH, COLON, COMMA, MINUS, PLUS, DOT = 0x22, 0x5C, 0x3A, 0x2C, 0x2D, 0x2B, 0x2E
local OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY = 0x7B, 0x7D, 0x5B, 0x5D

local byte, sub, find = string.byte, string.sub, string.find

-- The first position from `at` that is not white space, and what is there.
local function skip_space(text, at)
  while true do
    local c = byte(text, at)
    if c ~= 0x20 and c ~= 0x0A and c ~= 0x0D and c ~= 0x09 then return at, c end
    at = at + 1
  end
end

-- The closing quote of the string whose first character is at `at`, or nil.
local function string_end(text, at)
  local from = at
  while true do
    local quote = find(text, '"', from, true)
    if quote == nil then return nil end
    local slash = quote - 1
    while slash >= from and byte(text, slash) == BACKSLASH do slash = slash - 1 end
    if (quote - slash) % 2 == 1 then return quote end
    from = quote + 1
  end
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

-- Numbers in an array, the first of which begins at `at` with `c`: the last position of the last one, and how many there are.
-- Nil for what is no number.
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

-- Where the next line end, carriage return and tab are, so that each is looked for once.
local NEXT = { newline = 0, return_ = 0, tab = 0 }

-- Whether white space other than spaces is in the string text[first..last], where only \n, \r and \t may stand for it.
local function breaks(text, first, last)
  if NEXT.newline < first then NEXT.newline = find(text, "\n", first, true) or math.huge end
  if NEXT.newline <= last then return true end
  if NEXT.return_ < first then NEXT.return_ = find(text, "\r", first, true) or math.huge end
  if NEXT.return_ <= last then return true end
  if NEXT.tab < first then NEXT.tab = find(text, "\t", first, true) or math.huge end
  return NEXT.tab <= last
end

-- Walks the object that opens at `at`.  The position of its closing brace; nil for what is no object, or if the reader
-- stopped.
local function walk(text, at, reader)
  if byte(text, at) ~= OPEN_OBJECT then return nil end
  NEXT.newline, NEXT.return_, NEXT.tab = 0, 0, 0
  local depth, in_array, c = 1, { false }, nil
  local empty = true -- nothing is in the container yet, so that it may close
  at, c = skip_space(text, at + 1)
  while true do
    local closing = in_array[depth] and CLOSE_ARRAY or CLOSE_OBJECT
    local ended = false -- a value, after which a comma or an end follows
    if empty and c == closing then
      ended = true
      at = at - 1
    else
      if not in_array[depth] then
        if c ~= QUOTE then return nil end
        local close = string_end(text, at + 1)
        if close == nil or breaks(text, at, close) then return nil end
        reader:key(depth, at + 1, close - 1)
        at, c = skip_space(text, close + 1)
        if c ~= COLON then return nil end
        at, c = skip_space(text, at + 1)
      end
      if c == QUOTE then
        local close = string_end(text, at + 1)
        if close == nil or breaks(text, at, close) then return nil end
        reader:text(depth, at + 1, close - 1)
        at, ended = close, true
      elseif c == OPEN_OBJECT or c == OPEN_ARRAY then
        depth = depth + 1
        if depth > MAX_DEPTH then return nil end
        in_array[depth] = c == OPEN_ARRAY
        reader:opens(depth, at, in_array[depth])
        empty = true
      elseif in_array[depth] and c ~= nil and c <= 0x39 then
        local last, count = numbers_end(text, at, c)
        if last == nil then return nil end
        reader:numbers(depth, count)
        at, ended = last, true
      else
        local last = scalar_end(text, at, c)
        if last == nil then return nil end
        reader:scalar(depth, at, last)
        at, ended = last, true
      end
      if reader.stop then return nil end
    end
    at, c = skip_space(text, at + 1)
    if ended then
      empty = false
      while c ~= COMMA do
        if c ~= (in_array[depth] and CLOSE_ARRAY or CLOSE_OBJECT) then return nil end
        reader:closes(depth, at)
        depth = depth - 1
        if depth == 0 then return at end
        at, c = skip_space(text, at + 1)
      end
      at, c = skip_space(text, at + 1)
    end
  end
end

return { skip_space = skip_space, walk = walk }
