-- An answer whose body is sound. Envoy counts its bytes; the following tell how long they last, and are reported as counts:
--
--   sound.bytes_per_second    as the first bytes say it (WAVE, MP3)
--   sound.length              bytes of the whole sound, if the server says so: then it was made before it was sent

local byte, sub, find, floor = string.byte, string.sub, string.find, math.floor

local HEAD, LEAST, MOST = 4096, 1000, 1536000
-- Kilobits a second of MPEG layer III by index, for version 1 and for the other versions.
local VERSION_1 = { 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320 }
local OTHER_VERSION = { 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160 }

local function of_mp3(text)
  local at = 1
  if sub(text, 1, 3) == "ID3" and #text >= 10 then -- a tag, whose size is in four bytes of seven bits each
    local a, b, c, d = byte(text, 7, 10)
    at = 11 + ((a * 128 + b) * 128 + c) * 128 + d
  end
  local sync, second, third = byte(text, at, at + 2)
  if sync ~= 0xFF or third == nil or second < 0xE0 or floor(second / 2) % 4 ~= 1 then return nil end
  local kilobits = (floor(second / 8) % 4 == 3 and VERSION_1 or OTHER_VERSION)[floor(third / 16)]
  return kilobits and kilobits * 125
end

local function of_wave(text)
  if #text < 32 or not find(text, "^RIFF....WAVE") then return nil end
  local a, b, c, d = byte(text, 29, 32)
  return ((d * 256 + c) * 256 + b) * 256 + a
end

local function read(handle, headers, found, chunks)
  local length = headers:get("content-length") or ""
  if #length <= 12 and find(length, "^%d+$") then found:count("sound.length", tonumber(length)) end
  for chunk in chunks do
    local size = chunk:length()
    if size > 0 then
      local text = chunk:getBytes(0, size < HEAD and size or HEAD)
      local rate = of_wave(text) or of_mp3(text)
      if rate and rate >= LEAST and rate <= MOST then found:count("sound.bytes_per_second", rate) end
      break
    end
  end
  answer_told.tell(found, handle)
end

return { read = read }
