-- The framing of an answer's documents: plain JSON, server-sent events or the AWS event stream.
--
-- A reader gets each chunk and keeps at most a piece of a line or frame. Most events of a stream differ from the one before
-- only in their text. So a reader of events keeps the bytes before and behind the text of an event that it has read whole,
-- compares the next event with them, and reads only the text: everything else in such an event has been noted already.
local byte, sub, find = string.byte, string.sub, string.find
local json, scanning, string_end, text_bytes = answer_json, answer_scan, answer_text.string_end, answer_text.text_bytes

local NEWLINE, RETURN, SPACE, OPEN_OBJECT, OPEN_ARRAY = 0x0A, 0x0D, 0x20, 0x7B, 0x5B
-- The largest event to learn from, in bytes, and how many are learned: events that each hold a number are never alike.
local MAX_SHAPE, MAX_SHAPES = 4096, 32
-- For the AWS event stream: frames longer than MAX_READ are images and are skipped; the format allows no frame beyond
-- MAX_FRAME.
local MAX_READ, MAX_FRAME = 1048576, 26214400

-- Learns the event from `from` to just before `after`, if its text is in one piece.
local function learn(reader, chunk, from, after)
  local found = reader.found
  if found.pieces ~= 1 or found.piece_in ~= chunk or found.piece_from <= from then return end
  if reader.shapes >= MAX_SHAPES then return end
  if after - from > MAX_SHAPE + found.piece_end - found.piece_from then return end
  reader.shapes = reader.shapes + 1
  reader.before, reader.behind = sub(chunk, from, found.piece_from - 1), sub(chunk, found.piece_end, after - 1)
end

-- Reads events that are like the learned one. Returns the next position.
local function read_alike(reader, chunk, at, last)
  local before, behind, found = reader.before, reader.behind, reader.found
  while sub(chunk, at, at + #before - 1) == before do
    local from = at + #before
    local close = string_end(chunk, from, last)
    if close == nil or sub(chunk, close, close + #behind - 1) ~= behind then return at end
    if close > from then
      found.events, found.text = found.events + 1, found.text + text_bytes(chunk, from, close - 1)
    end
    at = close + #behind
  end
  return at
end

-- Handles the empty line that ends an event; its newline is at `at`.
local function end_event(reader, chunk, at)
  if scanning.is_idle(reader.scan) then
    if reader.begin then learn(reader, chunk, reader.begin, at + 1) end
  else
    scanning.reset(reader.scan)
  end
  reader.found.pieces, reader.at_event, reader.begin = 0, true, nil
end

-- Reads the field of a line. Returns the next position, or nil if the chunk cuts the field.
local function read_field(reader, chunk, at, last)
  if last - at < 15 and not find(chunk, "\n", at, true) then
    reader.rest = sub(chunk, at, last)
    return nil
  end
  if reader.at_event then reader.at_event, reader.begin = false, at end
  if sub(chunk, at, at + 4) == "data:" then
    local from = byte(chunk, at + 5) == SPACE and at + 6 or at + 5
    if sub(chunk, from, from + 5) ~= "[DONE]" then
      reader.line = "data"
      return from
    end
    reader.found:ended("done")
  elseif find(chunk, "^event: ?error", at) then
    reader.found:ended("error")
  end
  reader.line = "other"
  return at
end

-- The chunk with LF as line ends. A stream may end its lines with CR alone; the first line shows which it uses.
local function with_newlines(reader, chunk)
  if reader.returns == nil then
    local at = find(chunk, "[\r\n]")
    if at == nil then return chunk end
    if at == #chunk and byte(chunk, at) == RETURN then -- the next byte decides
      reader.rest = chunk
      return ""
    end
    reader.returns = byte(chunk, at) == RETURN and byte(chunk, at + 1) ~= NEWLINE
  end
  return reader.returns and chunk:gsub("\r", "\n") or chunk
end

local function read_events(reader, chunk)
  if reader.rest then chunk, reader.rest = reader.rest .. chunk, nil end
  if reader.returns ~= false then chunk = with_newlines(reader, chunk) end
  local at, last = 1, #chunk
  reader.begin = nil
  while at and at <= last do
    if reader.line == "start" then
      if reader.at_event and reader.before then at = read_alike(reader, chunk, at, last) end
      local c = byte(chunk, at)
      if c == NEWLINE then
        end_event(reader, chunk, at)
        at = at + 1
      elseif c == RETURN then
        at = at + 1
      elseif c then
        at = read_field(reader, chunk, at, last)
      end
    else
      local newline = find(chunk, "\n", at, true)
      if reader.line == "data" then json.feed(reader.scan, chunk, at, (newline or last + 1) - 1) end
      if newline == nil then return end
      reader.line, at = "start", newline + 1
    end
  end
end

-- Reads one JSON document, several in a row, or an array of them.
local function read_json(reader, chunk)
  json.feed(reader.scan, chunk, reader.skip or 1, #chunk)
  reader.skip = nil
end

local DIGITS = {}
local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
for i = 1, #ALPHABET do DIGITS[byte(ALPHABET, i)] = i - 1 end

local function from_base64(text)
  local out, bits, size = {}, 0, 0
  for i = 1, #text do
    local digit = DIGITS[byte(text, i)]
    if digit then
      bits, size = bits * 64 + digit, size + 6
      if size >= 8 then
        size = size - 8
        local low = bits % 2 ^ size
        out[#out + 1], bits = string.char((bits - low) / 2 ^ size), low
      end
    end
  end
  return table.concat(out)
end

local function number_at(text, at)
  local a, b, c, d = byte(text, at, at + 3)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

-- A frame has a prelude of 12 bytes, headers, a payload and a checksum. InvokeModel streams the model's JSON in base64,
-- under a key that cannot appear inside a JSON string.
local function read_frame(reader, chunk, at, length, headers_length)
  local from, last = at + 12 + headers_length, at + length - 5
  if find(sub(chunk, at + 12, from - 1), "exception", 1, true) then reader.found:ended("error") end
  local _, quote = find(chunk, '"bytes"%s*:%s*"', from)
  if quote and quote < last then
    local close = string_end(chunk, quote + 1, last) or last + 1
    chunk = from_base64(sub(chunk, quote + 1, close - 1))
    from, last = 1, #chunk
  end
  scanning.reset(reader.scan)
  json.feed(reader.scan, chunk, from, last)
end

local function read_frames(reader, chunk)
  if reader.rest then chunk, reader.rest = reader.rest .. chunk, nil end
  local at, size = 1 + reader.pass, #chunk
  reader.pass = 0
  while size - at >= 15 do
    local length, headers_length = number_at(chunk, at), number_at(chunk, at + 4)
    if length < 16 or length > MAX_FRAME or headers_length > length - 16 then
      error("a frame of " .. length .. " bytes cannot be read")
    end
    if length <= MAX_READ then
      if size - at + 1 < length then break end
      read_frame(reader, chunk, at, length, headers_length)
    end
    at = at + length
  end
  if at > size then reader.pass = at - size - 1 end
  if at <= size then reader.rest = sub(chunk, at) end
end

local function begins_json(chunk, at)
  local c = byte(chunk, at)
  return c == OPEN_OBJECT or c == OPEN_ARRAY
end

-- Chooses by the first bytes, since servers label streams as JSON and JSON as streams.
local function reading(kind, chunk)
  if find(kind, "vnd.amazon.eventstream", 1, true) then return read_frames end
  if begins_json(chunk, 1) or begins_json(chunk, find(chunk, "[^%s\239\187\191]")) then return read_json end
  local events = find(kind, "event-stream", 1, true) or find(chunk, "^%s*data:") or find(chunk, "^%s*event:")
  return events and read_events or nil
end

-- A reader for an answer of the content type `kind` that begins with `chunk`; nil if the answer holds nothing to read.
local function new(kind, chunk, found)
  local read = reading(kind, chunk)
  if read == nil then return nil end
  answer_found.expect_more(found)
  found.one_document = read == read_json
  return {
    read = read, found = found, scan = scanning.new(found), rest = nil,
    -- Start behind white space or a byte order mark.
    skip = begins_json(chunk, 1) and 1 or find(chunk, "[%[{]"),
    line = "start", at_event = true, begin = nil, shapes = 0, before = nil, behind = nil,
    returns = nil, -- whether lines end with CR alone
    pass = 0, -- bytes of a frame that are to be skipped
  }
end

-- Reads the rest of an answer. The last event may lack its empty line, and the last line its line end.
local function go_on(reader, handle, found, chunks)
  for chunk in chunks do
    local size = chunk:length()
    collector.expect(size)
    if size > 0 then reader:read(chunk:getBytes(0, size)) end
    if found:news() then answer_told.tell(found, handle) end
  end
  if reader.read == read_events then read_events(reader, "\n\n") end
  scanning.release(reader.scan)
end

return { new = new, go_on = go_on }
