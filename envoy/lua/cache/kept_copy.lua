-- A copy of an answer that may be kept, handed to the sidecar once the whole answer has passed.
--
-- The meter, which reads the answer, has each chunk copied and passes it on at once. Nothing waits for the sidecar: the call
-- is sent, and its reply is ignored. Only complete answers are kept: the coroutine of a stream that was cut is never
-- resumed.

local CLUSTER, AUTHORITY = "tollkeeper_ratelimit", "tollkeeper"
local PATH = "/tollkeeper.Responses/Keep"
local SAID = {} -- render: secret
local TIMEOUT_MS = 5000
local MAX_HEADERS = 16384
local RATELIMIT = "envoy.filters.http.ratelimit"
local char, find, floor = string.char, string.find, math.floor

-- Headers that belong to one answer alone, or to its transport.
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

-- Whether the meter cannot tell where an answer of this kind ends, but its framing can.
local function has_frame(headers, kind)
  local media = find(kind, "^audio/") or find(kind, "^image/") or find(kind, "^video/")
  return media ~= nil and (headers:get("content-length") or headers:get("transfer-encoding")) ~= nil
end

-- Whether the model server allows the answer to be kept: not with `no-store`, nor if it varies with unknown things (`vary:
-- *`).
local function may_be_kept(headers)
  local said = "," .. (headers:get("cache-control") or ""):lower():gsub("%s", "") .. ","
  return not find(said, ",no-store,", 1, true) and not find(headers:get("vary") or "", "*", 1, true)
end

local function is_stream_of(kind)
  return find(kind, "event-stream", 1, true) or find(kind, "eventstream", 1, true) or find(kind, "ndjson", 1, true)
    or find(kind, "jsonl", 1, true)
end

-- Starts a copy of the answer that begins; nil if the answer is not to be kept.
local function new(handle, headers)
  local said = handle:streamInfo():dynamicMetadata():get(RATELIMIT)
  if said == nil then return nil end
  local kind = (headers:get("content-type") or ""):lower()
  if said.admission == "cached" and is_stream_of(kind) then
    headers:remove("content-length") -- a stream does not give its length
  end
  -- Envoy adds a content type when it replays an answer that has none.
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

-- Iterates over the chunks of an answer, and copies each.
local function copying(copy, chunks)
  return function()
    local chunk = chunks()
    if chunk then add(copy, chunk) else copy.more = false end
    return chunk
  end
end

-- Whether the answer ended properly: a stream or JSON that says so, according to what the meter has `found`, or complete
-- framing.
local function is_whole(copy, found)
  return found.ended_how == "done" or found.ended_how == "" and copy.is_framed
end

-- Copies the part that the meter has not read.
local function read_rest(copy, chunks)
  while copy.more do chunks() end
end

-- Hands over the copy, after the whole answer has passed.
local function keep(copy, handle, found)
  if not copy.chunks or copy.size == 0 or handle:trailers() ~= nil or not is_whole(copy, found) then return end
  collector.expect(copy.size)
  send(handle, copy.head .. table.concat(copy.chunks))
end

return { new = new, copying = copying, read_rest = read_rest, keep = keep }
