-- Answer meter: reads what an answer says of its use while it passes, for the access log (metadata `tollkeeper`):
--
--   usage          `events,text_bytes,ended path=count …`
--                  events: how many had generated text, a plain answer is one; bytes of that text;
--                  ended: "done" or "error", as far as the answer itself says, "unread": it could not be read, "": not;
--                  the greatest count seen at each place, at most 48
--   ended          "unread": the script failed
--   answer_id, answer_status    of an object that has both (a response, a batch)
--   answer_file, answer_model    of a batch: where its results are, and who made them
--   service_tier   as the answer names it
--
-- Each chunk is passed on at once, and no answer is kept. The coroutine ends without a last turn when the client leaves:
-- so the counts are set as they grow. An error in here never reaches the answer.

-- Counts in headers and trailers, where the body has not both; looked for if the first is there. Amazon Bedrock's,
-- Hugging Face's.
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

-- A content type in small letters, "audio" for all of sound, false for one that is not read. Most are always the same few.
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

-- Tells of an answer that is as most are, before anything is kept of it. Most often nothing comes behind it.
local function glance(text, found, handle)
  local usage, ended = answer_shapes.glance(text)
  if usage == nil then return false end
  handle:streamInfo():dynamicMetadata():set("tollkeeper", "usage", usage)
  found.glanced, found.ended_how, found.set_ended = text, ended, ended
  return true
end

local function no_more() end

-- Something does: what was told of is found now.
local function read_again(found, handle, kind)
  local text = found.glanced
  found.glanced = nil
  if answer_shapes.read(text, found) then return end
  local reader = answer_frames.new(kind, text, found)
  reader:read(text)
  answer_frames.go_on(reader, handle, found, no_more)
end

-- What gzip wrote is plain by now.
local function is_coded(headers)
  local coding = headers:get("content-encoding") or ""
  return coding ~= "" and coding ~= "identity"
end

local function read_body(handle, headers, found, chunks)
  local kind = kind_of(headers:get("content-type") or "")
  if not kind then return end
  if kind == "audio" then return answer_sound.read(handle, headers, found, chunks) end
  -- Before the first chunk: by then filters that answers pass later, such as a compressor, have changed the headers.
  if is_coded(headers) then
    found:ended("unread")
    return answer_told.tell(found, handle)
  end
  local is_first = true
  for chunk in chunks do
    local size = chunk:length()
    collector.expect(size)
    local text = size > 0 and chunk:getBytes(0, size) or ""
    -- Some servers send white space while they think.
    if byte(text, 1) == OPEN_OBJECT or text:find("%S") then
      if found.glanced then read_again(found, handle, kind) end
      if not (is_first and glance(text, found, handle)) then
        if not answer_shapes.read(text, found) then
          local reader = answer_frames.new(kind, text, found)
          if reader == nil then return end
          reader:read(text)
          answer_shapes.learn(text)
          answer_told.tell(found, handle)
          text = nil -- nothing that waits for more holds a chunk
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

-- What the body leaves out.
local function read_around(handle, found)
  if found.glanced or #found.paths > 1 then return end
  count_headers(handle:headers(), found, handle)
  local trailers = handle:trailers()
  if trailers then count_headers(trailers, found, handle) end
end

local function read_answer(handle)
  local found, headers, chunks = answer_found.new(), handle:headers(), handle:bodyChunks()
  -- ratelimit says it of each request that a cache was looked up for.
  local copy = headers:get("x-tollkeeper-cache") and kept_copy.new(handle, headers)
  if copy then chunks = kept_copy.copying(copy, chunks) end
  read_body(handle, headers, found, chunks)
  if copy then kept_copy.read_rest(copy, chunks) end -- who waits for trailers sees no chunk meanwhile
  read_around(handle, found)
  if copy then kept_copy.keep(copy, handle, found) end
end

function envoy_on_response(handle)
  local ok, problem = pcall(read_answer, handle)
  if ok then return end
  handle:logErr("answer meter: " .. tostring(problem))
  handle:streamInfo():dynamicMetadata():set("tollkeeper", "ended", "unread")
end
