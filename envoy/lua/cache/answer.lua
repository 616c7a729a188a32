-- The answer to a request whose answer may be kept: a copy of what passes, for the sidecar, once all of it has passed.
--
-- Each chunk is passed on at once.  Nobody waits for the sidecar: its call is sent, and its answer to that is not heard.
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

-- A gRPC message.
local function framed(message)
  local size = #message
  return char(0, floor(size / 16777216), floor(size / 65536) % 256, floor(size / 256) % 256, size % 256) .. message
end

local function send(handle, message)
  local headers = {
    [":method"] = "POST", [":path"] = PATH, [":authority"] = AUTHORITY,
    ["content-type"] = "application/grpc", ["te"] = "trailers",
  }
  for name, value in pairs(SAID) do headers[name] = value end
  handle:httpCall(CLUSTER, headers, framed(message), TIMEOUT_MS, true)
end

-- Whether the answer, as the meter has read it by now, is one that ended as it should.
local function is_whole(handle, is_stream)
  local said = handle:streamInfo():dynamicMetadata():get("tollkeeper")
  local ended = said and said.ended or ""
  return ended == "done" or ended == "" and not is_stream and (said == nil or (said.events or 0) <= 1)
end

local function is_stream_of(kind)
  return find(kind, "event-stream", 1, true) or find(kind, "eventstream", 1, true) or find(kind, "ndjson", 1, true)
    or find(kind, "jsonl", 1, true)
end

local function keep(handle, ticket, most)
  local headers = handle:headers()
  if headers:get(":status") ~= "200" then return end
  local is_stream, said = is_stream_of((headers:get("content-type") or ""):lower()), headers_of(headers)
  if said == nil then return end
  local chunks, size = {}, 0
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    size = size + length
    if size > most then return end
    if length > 0 then chunks[#chunks + 1] = chunk:getBytes(0, length) end
  end
  if size == 0 or handle:trailers() ~= nil or not is_whole(handle, is_stream) then return end
  collector.expect(size)
  send(handle, ticket .. "\n" .. said .. "\n\n" .. table.concat(chunks))
end

function envoy_on_response(handle)
  local said = handle:streamInfo():dynamicMetadata():get(RATELIMIT)
  if said == nil then return end
  if said.cache_ticket then return keep(handle, said.cache_ticket, said.cache_bytes) end
  if said.admission == "cached" and is_stream_of((handle:headers():get("content-type") or ""):lower()) then
    handle:headers():remove("content-length") -- a stream does not say how long it will be
  end
end
