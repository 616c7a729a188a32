-- The cache key of a request whose answer may be kept, for ratelimit: metadata `tollkeeper.cache`, `request` = `KEY:FLAGS`.
--
--   KEY    SHA-256 of everything that the answer depends on: path, headers, canonical body. `-` if the request has no key.
--   FLAGS  d: the request always wants the same answer; c: `no-cache`; s: `no-store`
--
-- ratelimit decides who owns an answer, for which model and how long it is kept. The meter calls this for each request; if
-- the request's model has no cache, the body is not read again.

local MAX_BODY = 262144 -- hashing more would block the worker for several milliseconds
local AUTHZ = "envoy.filters.http.ext_authz"
local ALL = "*"

-- Headers that no answer depends on: the caller (ratelimit knows it better), the client program, and the route of the
-- request. Every other header may matter to a model server, or to a route that leads to it, and is part of the key; so is
-- the host.
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
local find, gsub, gmatch, lower, sub = string.find, string.gsub, string.gmatch, string.lower, string.sub

local function decoded_byte(code)
  return string.char(tonumber(code, 16))
end

local function is_asked(name)
  if NOT_ASKED[name] then return false end
  for _, prefix in ipairs(PREFIXES) do
    if find(name, prefix, 1, true) == 1 then return false end
  end
  return true
end

-- The lines of the headers that count, and the client's cache directives. Duplicate headers keep their order, since the
-- order may decide which one a server reads.
local function read(headers)
  local names, of, flags = {}, {}, ""
  for name, value in pairs(headers) do
    if is_asked(name) then
      local line = name .. ":" .. value
      if of[name] then line = of[name] .. "\n" .. line else names[#names + 1] = name end
      of[name] = line
    elseif name == "cache-control" or name == "pragma" then
      local said = "," .. lower(value):gsub("[%s\"]", "") .. ","
      if find(said, ",no-store,", 1, true) then flags = flags .. "s" end
      if find(said, ",no-cache,", 1, true) or find(said, ",max%-age=0+,") then flags = flags .. "c" end
    end
  end
  table.sort(names)
  for i, name in ipairs(names) do names[i] = of[name] end
  return table.concat(names, "\n"), flags
end

-- Whether the path names one of the models in `names`, which has one a line. Also true if the path names no model, since an
-- operator's default model then applies.
local function is_in_path(names, path)
  if not (find(path, "/models?/") or find(path, "/deployments/", 1, true) or find(path, "/engines/", 1, true)) then
    return true
  end
  path = gsub(path, "%%(%x%x)", decoded_byte)
  for name in gmatch(names, "[^\n]+") do
    if find(path, name, 1, true) then return true end
  end
  return false
end

-- Whether answers to the request may be kept, by the names of the models that have a cache. `model` is as in the body.
local function is_kept(names, model, path)
  if names == ALL then return true end
  if model == nil then return is_in_path(names, path) end
  return find("\n" .. names .. "\n", "\n" .. sub(model, 2, -2) .. "\n", 1, true) ~= nil
end

local function key_of(text)
  if #text > MAX_BODY then return "-", "" end
  collector.expect(#text)
  local whole, found = canonical.of(text)
  if whole == nil or found.stateful then return "-", "" end
  return whole, found.deterministic and "d" or ""
end

-- The string `KEY:FLAGS` for the body `text` that a client sent; false or nil if the body is not JSON.
local function told(headers, text)
  local lines, flags = read(headers)
  if not text or find(flags, "s", 1, true) then return "-:" .. flags end
  local key, more = key_of(text)
  if key ~= "-" then key = sha256.digits(lines .. "\n\n" .. key) end
  return key .. ":" .. flags .. more
end

local function note(handle, metadata, text, model)
  local said = metadata:get(AUTHZ)
  local names = said and said.cache
  if not names or not is_kept(names, model, handle:headers():get(":path")) then return end
  local ok, found = pcall(told, handle:headers(), text)
  if not ok then return handle:logErr("cache: " .. tostring(found)) end -- the request then runs uncached
  metadata:set("tollkeeper.cache", "request", found)
end

return { note = note }
