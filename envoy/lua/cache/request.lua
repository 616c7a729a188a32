-- The key of a request whose answer may be kept, for ratelimit: metadata `tollkeeper.cache`, `request` = `KEY:FLAGS`.
--
--   KEY    SHA-256 of all that an answer depends on: path, headers, canonical body.  `-` if there is none.
--   FLAGS  d: always the same answer is wanted; c: `no-cache`; s: `no-store`
--
-- Whose answer it is, of which model and for how long is ratelimit's to say.

local MAX_BODY = 262144 -- so long a hash holds up the worker for some milliseconds
local AUTHZ = "envoy.filters.http.ext_authz"
local ALL = "*"

-- What no answer depends on: who asks (which ratelimit knows better), by what program, and on which way.  Whatever else a
-- client sends may matter to a model server, or to a route that leads to it, and is a part of the key: the host too.
local NOT_ASKED = {}
for name in ([[
  :scheme :method content-length transfer-encoding connection keep-alive te trailer expect user-agent
  accept-encoding cache-control pragma date via priority dnt
  x-request-id x-client-request-id idempotency-key x-real-ip x-forwarded-for x-forwarded-proto
  x-tenant-id x-key-id x-fairshare-group x-user-id x-end-user-id x-admission x-queue-ms
  x-gateway-inference-fairness-id x-gateway-inference-objective
  traceparent tracestate baggage b3 x-cloud-trace-context x-amzn-trace-id uber-trace-id]]):gmatch("%S+") do
  NOT_ASKED[name] = true
end
local PREFIXES = { "x-stainless-", "x-envoy-", "x-b3-", "x-datadog-", "sec-", "x-tollkeeper-" }
local find, lower = string.find, string.lower

local function is_asked(name)
  if NOT_ASKED[name] then return false end
  for _, prefix in ipairs(PREFIXES) do
    if find(name, prefix, 1, true) == 1 then return false end
  end
  return true
end

-- The lines of the headers that count, and what the client says of caches.
local function read(headers)
  local lines, flags = {}, ""
  for name, value in pairs(headers) do
    if is_asked(name) then
      lines[#lines + 1] = name .. ":" .. value
    elseif name == "cache-control" or name == "pragma" then
      local said = "," .. lower(value):gsub("[%s\"]", "") .. ","
      if find(said, ",no-store,", 1, true) then flags = flags .. "s" end
      if find(said, ",no-cache,", 1, true) or find(said, ",max%-age=0+,") then flags = flags .. "c" end
    end
  end
  table.sort(lines)
  return table.concat(lines, "\n"), flags
end

-- Whether answers of a model are kept for anybody; one that the body does not name may be in the path.
local function is_kept(names, model)
  return names == ALL or model == nil or find("\n" .. names .. "\n", "\n" .. model .. "\n", 1, true) ~= nil
end

local function key_of(body, lines, names)
  if body == nil or body:length() == 0 or body:length() > MAX_BODY then return "-", "" end
  collector.expect(body:length())
  local text, found = canonical.of(body:getBytes(0, body:length()))
  if text == nil or found.stateful then return "-", "" end
  if not is_kept(names, found.model) then return nil end
  return sha256.digits(lines .. "\n\n" .. text), found.deterministic and "d" or ""
end

function envoy_on_request(handle)
  local metadata = handle:streamInfo():dynamicMetadata()
  if find(handle:headers():get(":path"), "^/mcp/") then return end -- no model answers there
  local names = metadata:get(AUTHZ).cache
  local lines, flags = read(handle:headers())
  local key, more = "-", ""
  if not find(flags, "s", 1, true) then key, more = key_of(handle:body(), lines, names) end
  if key then handle:streamInfo():dynamicMetadata():set("tollkeeper.cache", "request", key .. ":" .. flags .. more) end
end
