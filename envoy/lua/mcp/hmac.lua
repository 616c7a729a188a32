-- HMAC with SHA-256 (RFC 2104).

local bxor = require("bit").bxor
local byte, char, rep = string.byte, string.char, string.rep

local BLOCK = 64 -- bytes

local function padded_with(key, value)
  return (key:gsub(".", function(c) return char(bxor(byte(c), value)) end))
end

-- The HMAC in hexadecimal.
local function of(key, text)
  if #key > BLOCK then key = sha256.bytes(key) end
  key = key .. rep("\0", BLOCK - #key)
  local inner = sha256.bytes(padded_with(key, 0x36) .. text)
  return (sha256.bytes(padded_with(key, 0x5C) .. inner):gsub(".", function(c) return string.format("%02x", byte(c)) end))
end

return { of = of }
