-- The answer to a request whose answer may be kept: a copy of what passes, for the sidecar, once all of it has passed.
--
-- The meter, which reads the answer, has each chunk copied and passes it on at once.  Nobody waits for the sidecar: its call
-- is sent, and its answer to that is not heard.
-- Only what is complete is kept: a coroutine whose stream was cut is never resumed.

local CLUSTER, AUTHORITY = "tollkeeper_ratelimit", "tollkeeper"
local PATH = "/tollkeeper.Responses/Keep"
local SAID = {} -- render: secret
local TIMEOUT_MS = 5000
local MAX_HEADERS = 16384
local RATELIMIT = "envoy.filters.http.ratelimit"
local char, find, floor = string.char, string.find, math.floor

-- What is said of one answer alone, or of its way.
local NOT_KEPT = {}
for name in ([[
  :status connection keep-alive transfer-encoding content-length date server set-cookie x-request-id retry-after x-admission
  x-queue-ms age via x-should-retry alt-svc trailer]]):gmatch("%S+") do
  NOT_KEPT[name] = true
end

local function headers_of(headers)
  local lines, size = {}, 0
  for name, value in pairs(headers) do
    local own = NOT_KEPT[name] or find(name, "ratelimit", 1, true) or find(name, "x-envoy-", 1, true) == 1
      or find(name, "x-tollkeeper-", 1, true) == 1
    if not own then
      lines[#lines + 1] = name .. ":" .. value
      size = size + #name + #value
    end
  end
  return size <= MAX_HEADERS and table.concat(lines, "\n") or nil
end

local function grpc_message(message)
  local size = #message
  return char(0, floor(size / 16777216), floor(size / 65536) % 256, floor(size / 256) % 256, size % 256) .. message
end

local function send(handle, message)
  local headers = {
    [":method"] = "POST", [":path"] = PATH, [":authority"] = AUTHORITY,
    ["content-type"] = "application/grpc", ["te"] = "trailers",
  }
  for name, value in pairs(SAID) do headers[name] = value end
  handle:httpCall(CLUSTER, headers, grpc_message(message), TIMEOUT_MS, true)
end

-- Whether an answer is of what the meter does not know the end of, in a frame that has one.
local function has_frame(headers, kind)
  local media = find(kind, "^audio/") or find(kind, "^image/") or find(kind, "^video/")
  return media ~= nil and (headers:get("content-length") or headers:get("transfer-encoding")) ~= nil
end

-- Whether the model server allows it: `no-store`, or an answer that hangs on what nobody knows.
local function may_be_kept(headers)
  local said = "," .. (headers:get("cache-control") or ""):lower():gsub("%s", "") .. ","
  return not find(said, ",no-store,", 1, true) and not find(headers:get("vary") or "", "*", 1, true)
end

local function is_stream_of(kind)
  return find(kind, "event-stream", 1, true) or find(kind, "eventstream", 1, true) or find(kind, "ndjson", 1, true)
    or find(kind, "jsonl", 1, true)
end

-- A copy to be made of the answer that begins; nil if it is not to be kept.
local function new(handle, headers)
  local said = handle:streamInfo():dynamicMetadata():get(RATELIMIT)
  if said == nil then return nil end
  local kind = (headers:get("content-type") or ""):lower()
  if said.admission == "cached" and is_stream_of(kind) then
    headers:remove("content-length") -- a stream does not say how long it will be
  end
  -- To an answer of no type Envoy gives one when it says it again.
  if not said.cache_ticket or headers:get(":status") ~= "200" or kind == "" or not may_be_kept(headers) then return nil end
  local kept = headers_of(headers)
  return kept and {
    head = said.cache_ticket .. "\n" .. kept .. "\n\n", most = said.cache_bytes, is_framed = has_frame(headers, kind),
    chunks = {}, size = 0, more = true,
  }
end

local function add(copy, chunk)
  local length = chunk:length()
  copy.size = copy.size + length
  if copy.size > copy.most then
    copy.chunks = nil
  elseif copy.chunks and length > 0 then
    copy.chunks[#copy.chunks + 1] = chunk:getBytes(0, length)
  end
end

-- The chunks of an answer, of which each is copied on its way.
local function copying(copy, chunks)
  return function()
    local chunk = chunks()
    if chunk then add(copy, chunk) else copy.more = false end
    return chunk
  end
end

-- Whether the answer is one that ended as it should: a stream or JSON that says so, by what the meter has `found` in it.
local function is_whole(copy, found)
  return found.ended_how == "done" or found.ended_how == "" and copy.is_framed
end

-- Copies what the meter has left unread.
local function read_rest(copy, chunks)
  while copy.more do chunks() end
end

-- Hands over the copy, once all of the answer has passed.
local function keep(copy, handle, found)
  if not copy.chunks or copy.size == 0 or handle:trailers() ~= nil or not is_whole(copy, found) then return end
  collector.expect(copy.size)
  send(handle, copy.head .. table.concat(copy.chunks))
end

return { new = new, copying = copying, read_rest = read_rest, keep = keep }
