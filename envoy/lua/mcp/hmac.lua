-- HMAC with SHA-256 (RFC 2104, FIPS 180-4), for short texts.

local bit = require("bit")
local band, bxor, bnot, ror, rshift, tobit = bit.band, bit.bxor, bit.bnot, bit.ror, bit.rshift, bit.tobit
local byte, char, rep = string.byte, string.char, string.rep

local BLOCK = 64 -- bytes

-- The first 32 bits of the fractions of roots of primes: square roots begin the state, cube roots are the rounds'.
local function fraction(root) return tobit(math.floor((root - math.floor(root)) * 2 ^ 32)) end

local START, ROUNDS = {}, {}
local candidate = 2
while #ROUNDS < 64 do
  local prime = true
  for divisor = 2, math.floor(math.sqrt(candidate)) do prime = prime and candidate % divisor ~= 0 end
  if prime then
    ROUNDS[#ROUNDS + 1] = fraction(candidate ^ (1 / 3))
    if #START < 8 then START[#START + 1] = fraction(math.sqrt(candidate)) end
  end
  candidate = candidate + 1
end

local words = {}

local function compress(state, text, at)
  for i = 1, 16 do
    local a, b, c, d = byte(text, at + 4 * i - 4, at + 4 * i - 1)
    words[i] = bit.bor(bit.lshift(a, 24), bit.lshift(b, 16), bit.lshift(c, 8), d)
  end
  for i = 17, 64 do
    local x, y = words[i - 15], words[i - 2]
    local s0 = bxor(ror(x, 7), ror(x, 18), rshift(x, 3))
    local s1 = bxor(ror(y, 17), ror(y, 19), rshift(y, 10))
    words[i] = tobit(words[i - 16] + s0 + words[i - 7] + s1)
  end
  local a, b, c, d, e, f, g, h = unpack(state)
  for i = 1, 64 do
    local s1 = bxor(ror(e, 6), ror(e, 11), ror(e, 25))
    local t1 = h + s1 + bxor(band(e, f), band(bnot(e), g)) + ROUNDS[i] + words[i]
    local s0 = bxor(ror(a, 2), ror(a, 13), ror(a, 22))
    local t2 = s0 + bxor(band(a, b), band(a, c), band(b, c))
    h, g, f, e, d, c, b, a = g, f, e, tobit(d + t1), c, b, a, tobit(t1 + t2)
  end
  local added = { a, b, c, d, e, f, g, h }
  for i = 1, 8 do state[i] = tobit(state[i] + added[i]) end
end

local function big_endian(word)
  return char(band(rshift(word, 24), 255), band(rshift(word, 16), 255), band(rshift(word, 8), 255), band(word, 255))
end

local function sha256(text)
  local state = { unpack(START) }
  local padded = text .. "\128" .. rep("\0", (55 - #text) % BLOCK) .. rep("\0", 4) .. big_endian(#text * 8)
  for at = 1, #padded, BLOCK do compress(state, padded, at) end
  local out = {}
  for i = 1, 8 do out[i] = big_endian(state[i]) end
  return table.concat(out)
end

local function padded_with(key, value)
  return (key:gsub(".", function(c) return char(bxor(byte(c), value)) end))
end

-- In hexadecimal.
local function of(key, text)
  if #key > BLOCK then key = sha256(key) end
  key = key .. rep("\0", BLOCK - #key)
  local inner = sha256(padded_with(key, 0x36) .. text)
  return (sha256(padded_with(key, 0x5C) .. inner):gsub(".", function(c) return string.format("%02x", byte(c)) end))
end

return { of = of }
