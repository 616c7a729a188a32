-- Counts a sample of the text that a model will read by class of character, as the basis of token estimates (the classes'
-- names and weights: ratelimit/tenants/estimates/text.py). However large the body is, at most SAMPLE bytes are examined.

local SAMPLE, WINDOW = 4096, 64
local MAX_SPANS = 4096 -- further strings replace earlier ones

local byte, floor, min, max = string.byte, math.floor, math.min, math.max

-- The class of each byte; the numbers give the order in which classes are reported.
local LOWER, UPPER, DIGIT, SPACE, MARK = 1, 2, 3, 4, 5
local LATIN, ALPHABET, INDIC, SYMBOL, CJK, HANGUL, OTHER = 6, 7, 8, 9, 10, 11, 12
-- Counters for sequences of classes.
local WORD, NUMBER, HUMP, MIXED, MARKS, ESCAPED = 13, 14, 15, 16, 17, 18
local MIXED_WORD, MIXED_NUMBER = 19, 20 -- MIXED and WORD, MIXED and NUMBER; not reported themselves
local WIDTH = 16
local CONTINUES = 0
local BACKSLASH, N, R, T, U = 0x5C, 0x6E, 0x72, 0x74, 0x75

-- Small integers by index from 0 to `last`, all zero. Where LuaJIT compiles they are an array of C's, which is read without
-- checks: each index below is a byte, or a pair of classes.
local compiles, status = pcall(function() return jit.status() end)
local function numbers(last)
  if compiles and status then return require("ffi").new("int32_t[?]", last + 1) end
  local made = {}
  for i = 0, last do made[i] = 0 end
  return made
end

local CLASS = numbers(255)
local function class(from, to, value)
  for c = from, to do CLASS[c] = value end
end
class(0, 0x20, SPACE)
class(0x21, 0x7F, MARK)
class(0x30, 0x39, DIGIT)
class(0x41, 0x5A, UPPER)
class(0x61, 0x7A, LOWER)
class(0x80, 0xBF, CONTINUES)
class(0xC0, 0xCA, LATIN)
class(0xCB, 0xDF, ALPHABET) -- Greek, Cyrillic, Armenian, Hebrew, Arabic
class(0xE0, 0xE1, INDIC) -- also Thai, Georgian, Ethiopic
class(0xE2, 0xE2, SYMBOL)
class(0xE3, 0xE9, CJK)
class(0xEA, 0xED, HANGUL)
class(0xEE, 0xFF, OTHER)

-- The further counter for each pair of successive classes (WIDTH times the first, plus the second), or false.
local ALSO = {}
for pair = 0, WIDTH * WIDTH do ALSO[pair] = false end
for before = 1, OTHER do
  local behind = before * WIDTH
  ALSO[behind + LOWER], ALSO[behind + UPPER] = WORD, WORD
  if before ~= DIGIT then ALSO[behind + DIGIT] = NUMBER end
  if before ~= MARK then ALSO[behind + MARK] = MARKS end
end
for _, letter in ipairs({ LOWER, UPPER }) do
  ALSO[letter * WIDTH + LOWER], ALSO[letter * WIDTH + UPPER] = false, false
  ALSO[letter * WIDTH + DIGIT], ALSO[DIGIT * WIDTH + letter] = MIXED_NUMBER, MIXED_WORD
end
ALSO[LOWER * WIDTH + UPPER] = HUMP

-- The value of each hexadecimal digit; of other characters so low that no digits make up for it.
local NO_DIGIT = -0x10000
local HEX = numbers(255)
for c = 0, 255 do HEX[c] = tonumber(string.char(c), 16) or NO_DIGIT end

-- The class of the character whose code is written in the four digits from `at` on.
local function class_of_code(text, at)
  local a, b, c, d = byte(text, at, at + 3)
  if d == nil then return MARK end
  local code = HEX[a] * 0x1000 + HEX[b] * 0x100 + HEX[c] * 0x10 + HEX[d]
  if code < 0 then return MARK end
  if code < 0x80 then return CLASS[code] end
  if code < 0x2C0 then return LATIN end
  if code < 0x800 then return ALPHABET end
  if code < 0x2000 then return INDIC end
  if code < 0x3000 then return SYMBOL end
  if code < 0xA000 then return CJK end
  if code < 0xD800 then return HANGUL end
  return OTHER
end

-- The start of the escape that `at` is in the middle of; otherwise `at`.
local function whole_escape(text, first, at)
  for i = at - 1, max(at - 5, first), -1 do
    if byte(text, i) == BACKSLASH then return byte(text, i + 1) == U and i or at end
  end
  return at
end

-- How often each class follows another, indexed like ALSO. One count per character is enough: all others are sums of these.
local LAST = OTHER * WIDTH + OTHER
local followed = numbers(LAST)
-- The pairs that have been seen.
local seen, pairs_seen = {}, 0

-- Counts text[first..last]. Returns how far it has read.
local function count(text, first, last, counts)
  local at, behind = first, SPACE * WIDTH
  while at <= last do
    local c = byte(text, at)
    local value = CLASS[c]
    if c == BACKSLASH then
      local escape = byte(text, at + 1)
      at = at + 1
      if escape == U then
        value = class_of_code(text, at + 1)
        counts[ESCAPED] = counts[ESCAPED] + 1
        at = at + 4
      elseif escape == N or escape == R or escape == T then
        value = SPACE
      end
    end
    if value ~= CONTINUES then
      local pair = behind + value
      local times = followed[pair]
      if times == 0 then
        pairs_seen = pairs_seen + 1
        seen[pairs_seen] = pair
      end
      followed[pair] = times + 1
      behind = value * WIDTH
    end
    at = at + 1
  end
  return at - 1
end

-- Adds up the pairs that `count` has counted, and resets them.
local function add_up(counts)
  for i = 1, pairs_seen do
    local pair = seen[i]
    local times, value, also = followed[pair], pair % WIDTH, ALSO[pair]
    counts[value] = counts[value] + times
    if also then counts[also] = counts[also] + times end
    followed[pair] = 0
  end
  pairs_seen = 0
end

-- Created once, and reset for each summary.
local tally, written = {}, {}
for i = 1, MIXED_NUMBER do tally[i] = 0 end

-- The counters in the form that is reported; resets the counts.
local function counters(counts)
  counts[WORD], counts[NUMBER] = counts[WORD] + counts[MIXED_WORD], counts[NUMBER] + counts[MIXED_NUMBER]
  counts[MIXED] = counts[MIXED_WORD] + counts[MIXED_NUMBER]
  counts[MIXED_WORD], counts[MIXED_NUMBER] = 0, 0
  for i = 1, ESCAPED do
    local times = counts[i]
    if times == 0 then
      written[i] = "0"
    else
      written[i], counts[i] = digits.spelled(times), 0
    end
  end
  return table.concat(written, ",", 1, ESCAPED)
end

-- The text that a model reads, as spans of the body.
local function new()
  return { bytes = 0, spans = 0, first = {}, last = {} }
end

local function empty(self)
  self.bytes, self.spans = 0, 0
end

local function add(self, first, last)
  if last < first then return end
  local slot = self.spans % MAX_SPANS + 1
  self.bytes = self.bytes + last - first + 1
  self.spans = self.spans + 1
  self.first[slot], self.last[slot] = first, last
end

-- `[bytes,bytes examined,counters…]`; nil if there is no text.
local function summary(self, text)
  if self.bytes == 0 then return nil end
  local counts, first, last, kept, spans = tally, self.first, self.last, 0, min(self.spans, MAX_SPANS)
  for i = 1, spans do kept = kept + last[i] - first[i] + 1 end
  -- One window per step; short texts are examined whole.
  local step = kept <= SAMPLE and 0 or floor(kept / (SAMPLE / WINDOW))
  local seen, due, passed = 0, 0, 0 -- `due`: where the next window begins, counted over all spans
  for i = 1, spans do
    local from, to = first[i], last[i]
    local size = to - from + 1
    if step == 0 then
      count(text, from, to, counts)
      seen = seen + size
    else
      while due < passed + size do
        local begin = whole_escape(text, from, from + due - passed)
        seen = seen + count(text, begin, min(begin + WINDOW - 1, to), counts) - begin + 1
        due = due + step
      end
      passed = passed + size
    end
  end
  add_up(counts)
  return "[" .. digits.spelled(self.bytes) .. "," .. digits.spelled(seen) .. "," .. counters(counts) .. "]"
end

return { new = new, empty = empty, add = add, summary = summary }
