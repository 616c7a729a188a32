-- Recognizes base64 media and their size by their first bytes. Only values under a media key are examined: a model reads a
-- prompt that looks like an image as text all the same.

local byte, sub, find, floor = string.byte, string.sub, string.find, math.floor

local KEYS = {}
for key in ([[audio audio_url b64_json base64 blob bytes data document file file_data file_url image image_data image_url
images init_image input_audio input_image mask reference_images uri url video video_url]]):gmatch("%S+") do
  KEYS[key] = true
end

-- The first bytes of files, in base64.
local SIGNATURES = {
  { "iVBORw0KGgo", "image", "png" }, { "/9j/", "image", "jpeg" }, { "R0lGOD", "image", "gif" },
  { "Qk", "image", "bmp" }, { "SUkq", "image", "tiff" }, { "TU0AK", "image", "tiff" }, { "UklGR", "riff" },
  { "JVBERi", "file", "pdf" }, { "SUQz", "audio", "mp3" }, { "//[stuv][A-Za-z0-9+/]", "audio", "mp3" },
  { "T2dnUw", "audio", "ogg" }, { "ZkxhQ", "audio", "flac" }, { "GkXfo", "video", "webm" },
  { "UEsDB", "file", "zip" }, { "0M8R4KGx", "file", "ole" },
}
local MIN_BARE = 64 -- characters; without a media type, a shorter text is a word that happens to start like a signature
local ALPHABET = "^[A-Za-z0-9+/=_-]+$"

local VALUE = {}
for i = 0, 63 do
  VALUE[byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", i + 1)] = i
end
VALUE[0x2D], VALUE[0x5F] = 62, 63 -- the URL-safe alphabet

-- Decodes single bytes of the base64 that begins at `first`, so that a header behind 60 KB of EXIF costs only a few
-- look-ups.
local function reader_of(text, first, last)
  return function(index)
    local group, rest = floor(index / 3), index % 3
    local at = first + 4 * group + rest
    if at + 1 > last then return nil end
    local a, b = VALUE[byte(text, at)], VALUE[byte(text, at + 1)]
    if a == nil or b == nil then return nil end
    if rest == 0 then return a * 4 + floor(b / 16) end
    if rest == 1 then return a % 16 * 16 + floor(b / 4) end
    return a % 4 * 64 + b
  end
end

-- Reads the bytes of a file that is not encoded.
local function reader_of_bytes(text, first, last)
  return function(index)
    return first + index <= last and byte(text, first + index) or nil
  end
end

local function number(at, index, count, big)
  local value = 0
  for i = 0, count - 1 do
    local c = at(index + (big and i or count - 1 - i))
    if c == nil then return nil end
    value = value * 256 + c
  end
  return value
end

-- The size in a JPEG's frame header, which may come after any number of segments.
local function jpeg_size(at)
  local index = 2
  for _ = 1, 64 do
    if at(index) ~= 0xFF then return nil end
    local marker, length = at(index + 1), number(at, index + 2, 2, true)
    if marker == nil or length == nil or length < 2 then return nil end
    if marker >= 0xC0 and marker <= 0xCF and marker ~= 0xC4 and marker ~= 0xC8 and marker ~= 0xCC then
      return number(at, index + 7, 2, true), number(at, index + 5, 2, true)
    end
    index = index + 2 + length
  end
end

local function webp_size(at)
  local form = at(15) -- the last letter of `VP8 `, `VP8L` or `VP8X`
  if form == 0x58 then
    local width, height = number(at, 24, 3), number(at, 27, 3)
    return width and width + 1, height and height + 1
  elseif form == 0x4C then
    local packed = number(at, 21, 4)
    return packed and packed % 16384 + 1, packed and floor(packed / 16384) % 16384 + 1
  end
  local width, height = number(at, 26, 2), number(at, 28, 2)
  return width and width % 16384, height and height % 16384
end

local function image_size(at)
  local c = at(0)
  if c == 0x89 then return number(at, 16, 4, true), number(at, 20, 4, true) end
  if c == 0xFF then return jpeg_size(at) end
  if c == 0x47 then return number(at, 6, 2), number(at, 8, 2) end
  if c == 0x52 then return webp_size(at) end
  if c == 0x42 then return number(at, 18, 4), number(at, 22, 4) end
end

-- The length in milliseconds of a RIFF WAVE of `size` bytes. Rates beyond 32 bits, two channels and 192 kHz are not
-- believed.
local function wave_ms(at, size)
  if at(0) ~= 0x52 or at(8) ~= 0x57 then return nil end
  local rate = number(at, 28, 4)
  if rate == nil or rate == 0 then return nil end
  return floor(1000 * size / math.min(rate, 1536000))
end

-- {kind, bytes, width, height, milliseconds} of the medium behind `at`; a size is nil if the header does not give it.
local function described(kind, at, size)
  if kind == "riff" then kind = at(8) == 0x57 and at(9) == 0x41 and "audio" or at(8) == 0x57 and "image" or "video" end
  local found = { kind = kind, bytes = size }
  if kind == "image" then
    found.width, found.height = image_size(at)
    if found.height == nil or found.width == 0 or found.height == 0 then found.width = nil end
  elseif kind == "audio" then
    found.ms = wave_ms(at, size)
  end
  return found
end

local function of_base64(kind, text, first, last)
  -- Escaped slashes and line breaks would shift every byte behind them.
  if find(sub(text, first, math.min(first + 4095, last)), "\\", 1, true) then
    text = sub(text, first, math.min(first + 262143, last)):gsub("\\[nr]", ""):gsub("\\/", "/")
    return described(kind, reader_of(text, 1, #text), floor((last - first + 1) * 3 / 4))
  end
  return described(kind, reader_of(text, first, last), floor((last - first + 1) * 3 / 4))
end

local function kind_of_signature(head)
  for _, signature in ipairs(SIGNATURES) do
    if find(head, "^" .. signature[1]) then return signature[2] end
  end
end

local function kind_of_type(mime)
  local kind = mime:match("^(%a+)/")
  if kind == "image" or kind == "audio" or kind == "video" then return kind end
  return kind ~= "text" and "file" or nil
end

-- Describes the medium in the string text[first..last] under `key`; nil if a model reads the string as text.
local function of_string(key, text, first, last)
  if not KEYS[key] then return nil end
  local head = sub(text, first, math.min(first + 255, last))
  if sub(head, 1, 5) == "data:" then
    local mime, payload = head:match("^data:([^,;\"]*)[^,\"]-;base64,()")
    local kind = mime and kind_of_type(mime:lower():gsub("\\/", "/"))
    if kind == nil then return nil end
    local start = kind_of_signature(head:sub(payload):gsub("\\/", "/"))
    if start == "riff" or kind == "file" and start then kind = start end
    return of_base64(kind, text, first + payload - 1, last)
  end
  if find(head, "^https?:") then
    return (key == "image_url" or key == "url" or key == "uri") and { kind = "link", bytes = 0 } or nil
  end
  if last - first + 1 < MIN_BARE then return nil end
  local plain = head:gsub("\\[nr]", ""):gsub("\\/", "/")
  if not find(plain, ALPHABET) then return nil end
  local kind = kind_of_signature(plain)
  return kind and of_base64(kind, text, first, last)
end

-- Describes the file text[first..last] of a form part that gives its type as `mime`.
local function of_file(mime, text, first, last)
  local at = reader_of_bytes(text, first, last)
  local head = sub(text, first, first + 3)
  local kind = (head == "\137PNG" or head == "GIF8" or sub(head, 1, 2) == "\255\216") and "image"
    or head == "RIFF" and "riff" or head == "%PDF" and "file" or mime and kind_of_type(mime:lower()) or "file"
  return described(kind, at, last - first + 1)
end

local function is_key(key)
  return KEYS[key]
end

return { of_string = of_string, of_file = of_file, is_key = is_key }
