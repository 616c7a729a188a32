-- Checks that every parser takes a text for the same characters: it must be UTF-8 as in RFC 3629, without control characters
-- other than white space.
--
-- In another encoding (UTF-16, or Shift-JIS, whose second bytes may be a backslash), a server that decodes the body finds
-- other strings than we do, so such a body is not read at all. Where LuaJIT compiles, ASCII is skipped by the word, in
-- long texts four at a time.

local byte, find = string.byte, string.find

-- The last position of the character of two to four bytes that begins with `lead` at `at`; nil if it is malformed.
local function character_end(text, at, lead)
  local low, high, more = 0x80, 0xBF, 1
  if lead < 0xC2 or lead > 0xF4 then return nil end
  if lead >= 0xF0 then
    more = 3
    if lead == 0xF0 then low = 0x90 elseif lead == 0xF4 then high = 0x8F end
  elseif lead >= 0xE0 then
    more = 2
    if lead == 0xE0 then low = 0xA0 elseif lead == 0xED then high = 0x9F end
  end
  local c = byte(text, at + 1)
  if c == nil or c < low or c > high then return nil end
  for i = at + 2, at + more do
    c = byte(text, i)
    if c == nil or c < 0x80 or c > 0xBF then return nil end
  end
  return at + more
end

-- Skips printable ASCII behind `at`, a multiple of eight, in steps of eight bytes. Returns its last position.
local function skip(_, at)
  return at
end

local compiles, status = pcall(function() return jit.status() end)
if compiles and status then
  local ffi, bit = require("ffi"), require("bit")
  local band, bor, floor = bit.band, bit.bor, math.floor
  local words_of = ffi.typeof("const uint64_t*")
  local EACH_SPACE, EACH_TOP_BIT = 0x2020202020202020ULL, 0x8080808080808080ULL
  skip = function(text, at)
    local words, word, last = ffi.cast(words_of, text), at / 8, floor(#text / 8)
    -- Each test is also true if a byte follows one below a space; the caller then checks each byte.
    while word + 3 < last do
      local a, b, c, d = words[word], words[word + 1], words[word + 2], words[word + 3]
      local below = bor(a - EACH_SPACE, b - EACH_SPACE, c - EACH_SPACE, d - EACH_SPACE)
      if band(bor(below, a, b, c, d), EACH_TOP_BIT) ~= 0 then break end
      word = word + 4
    end
    while word < last do
      local eight = words[word]
      if band(bor(eight - EACH_SPACE, eight), EACH_TOP_BIT) ~= 0 then break end
      word = word + 1
    end
    return 8 * word
  end
end

local function is_plain(text)
  local at, size, run = skip(text, 0) + 1, #text, 0
  while at <= size do
    local c = byte(text, at)
    if c >= 0x80 then
      at = character_end(text, at, c)
      if at == nil then return false end
      run = 0
    elseif c < 0x20 then
      if c ~= 0x0A and c ~= 0x0D and c ~= 0x09 then return false end
      run = 0
    else
      run = run + 1
      if run >= 8 and at % 8 == 0 then at = skip(text, at) end
    end
    at = at + 1
  end
  return true
end

-- Charsets that name the same characters as UTF-8, and charsets that do so only for ASCII.
local UTF8 = { ["utf-8"] = true, utf8 = true, ["us-ascii"] = true, ascii = true }
local ASCII_ALIKE = { ["iso-8859-1"] = true, latin1 = true, ["windows-1252"] = true }

-- Whether a server that obeys the `charset` of the content type still reads `text` as UTF-8. Other charsets can hide names
-- in text that looks plain to us: UTF-7 encodes them as letters, and Shift-JIS takes a backslash for half of a character.
local function is_utf8(content_type, text)
  if not content_type then return true end
  local kind = content_type:lower()
  if not find(kind, "charset", 1, true) then return true end
  local _, count = kind:gsub("charset", "")
  local charset = kind:match('charset%s*=%s*"?([%w_-]+)"?%s*$') or kind:match('charset%s*=%s*"?([%w_-]+)"?%s*;')
  if count > 1 or charset == nil then return false end
  return UTF8[charset] or ASCII_ALIKE[charset] and not find(text, "[\128-\255]") or false
end

return { is_plain = is_plain, is_utf8 = is_utf8 }
