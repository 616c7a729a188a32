-- Answer meter: reads the usage of an answer while it passes, for the access log (metadata `tollkeeper`):
--
--   usage          `events,text_bytes,ended path=count …`
--                  events: events with generated text (a plain answer is one); text_bytes: bytes of that text
--                  ended: "done" or "error" as the answer itself says, "unread" if it could not be read, "" otherwise
--                  path=count: the greatest count seen at each place, at most 48 places
--   ended          "unread": the script failed
--   answer_id, answer_status    of an object that has both (a response, a batch)
--   answer_file, answer_model    of a batch: the file that holds its results, and the model that made them
--   service_tier   as the answer names it
--
-- Each chunk is passed on at once, and no answer is kept. If the client leaves, the coroutine is never resumed, so the
-- counts are set as they grow. A script error in this file never reaches the answer.

-- Headers or trailers that hold counts, read if the body does not have at least two: those of Amazon Bedrock and of Hugging
-- Face. The others of a group are looked for only if its first is there.
local COUNT_HEADERS = {
  {
    "x-amzn-bedrock-input-token-count", "x-amzn-bedrock-output-token-count",
    "x-amzn-bedrock-cache-read-input-token-count", "x-amzn-bedrock-cache-write-input-token-count",
  },
  { "x-compute-type", "x-prompt-tokens", "x-generated-tokens", "x-compute-tokens" },
}
local NOT_READ = { image = true, video = true }
local OPEN_OBJECT = 0x7B
local byte = string.byte

local function count_headers(headers, found, handle)
  for _, names in ipairs(COUNT_HEADERS) do
    if headers:get(names[1]) then
      for _, name in ipairs(names) do
        local value = headers:get(name) or ""
        if #value <= 15 and value:find("^%d+$") then found:count("header." .. name, tonumber(value)) end
      end
    end
  end
  answer_told.tell(found, handle)
end

-- Maps a content type in lower case to its kind: "audio" for every kind of sound, false for a type that is not read. The
-- same few types come again and again, so they are remembered.
local MAX_KNOWN, MAX_KIND = 100, 256
local known, count = {}, 0

local function kind_of(content_type)
  local kind = known[content_type]
  if kind ~= nil then return kind end
  kind = content_type:lower()
  local media = kind:match("^%a+")
  if media == "audio" then kind = media elseif NOT_READ[media] then kind = false end
  if count >= MAX_KNOWN then known, count = {}, 0 end
  if #content_type <= MAX_KIND then known[content_type], count = kind, count + 1 end
  return kind
end

-- Reports an answer of a known shape to the access log without storing anything about it. Usually nothing follows it.
local function glance(text, found, handle)
  local usage, ended = answer_shapes.glance(text)
  if usage == nil then return false end
  handle:streamInfo():dynamicMetadata():set("tollkeeper", "usage", usage)
  found.glanced, found.ended_how, found.set_ended = text, ended, ended
  return true
end

local function no_more() end

-- More text does follow: now the text that was only reported is read in full.
local function read_again(found, handle, kind)
  local text = found.glanced
  found.glanced = nil
  if answer_shapes.read(text, found) then return end
  local reader = answer_frames.new(kind, text, found)
  reader:read(text)
  answer_frames.go_on(reader, handle, found, no_more)
end

-- Whether the answer is still compressed. Envoy has already unpacked gzip here.
local function is_coded(headers)
  local coding = headers:get("content-encoding") or ""
  return coding ~= "" and coding ~= "identity"
end

local function read_body(handle, headers, found, chunks)
  local kind = kind_of(headers:get("content-type") or "")
  if not kind then return end
  if kind == "audio" then return answer_sound.read(handle, headers, found, chunks) end
  -- This is read before the first chunk: once that has come, later filters such as a compressor have changed the headers.
  if is_coded(headers) then
    found:ended("unread")
    return answer_told.tell(found, handle)
  end
  local is_first = true
  for chunk in chunks do
    local size = chunk:length()
    collector.expect(size)
    local text = size > 0 and chunk:getBytes(0, size) or ""
    -- Some servers send white space while the model thinks.
    if byte(text, 1) == OPEN_OBJECT or text:find("%S") then
      if found.glanced then read_again(found, handle, kind) end
      if not (is_first and glance(text, found, handle)) then
        if not answer_shapes.read(text, found) then
          local reader = answer_frames.new(kind, text, found)
          if reader == nil then return end
          reader:read(text)
          answer_shapes.learn(text)
          answer_told.tell(found, handle)
          text = nil -- so that no chunk stays in memory while the reader waits for the next
          answer_frames.go_on(reader, handle, found, chunks)
          break
        end
        answer_told.tell(found, handle)
      end
      is_first = false
    end
    text = nil
  end
  if not found.glanced then answer_told.tell(found, handle, true) end
end

-- Reads the counts in headers and trailers if the body has fewer than two.
local function read_around(handle, found)
  if found.glanced or #found.paths > 1 then return end
  count_headers(handle:headers(), found, handle)
  local trailers = handle:trailers()
  if trailers then count_headers(trailers, found, handle) end
end

local function read_answer(handle)
  local found, headers, chunks = answer_found.new(), handle:headers(), handle:bodyChunks()
  -- ratelimit sets this header on each request that was looked up in the cache.
  local copy = headers:get("x-tollkeeper-cache") and kept_copy.new(handle, headers)
  if copy then chunks = kept_copy.copying(copy, chunks) end
  read_body(handle, headers, found, chunks)
  if copy then kept_copy.read_rest(copy, chunks) end -- waiting for trailers would hide the remaining chunks
  read_around(handle, found)
  if copy then kept_copy.keep(copy, handle, found) end
end

function envoy_on_response(handle)
  local ok, problem = pcall(read_answer, handle)
  if ok then return end
  handle:logErr("answer meter: " .. tostring(problem))
  handle:streamInfo():dynamicMetadata():set("tollkeeper", "ended", "unread")
end
