-- Guard: the first filter, ahead of authentication. It removes from the headers everything that later filters, logs and
-- model servers must not see.
--
--  * A Tollkeeper key belongs only in the headers that authz reads and removes. Anywhere else it is a copy: its header is
--    removed, and a path that holds one is refused (it would be in every log) and logged without it. The same goes for
--    copies of any other value in the authz headers: it may be a key of another system, in a form of its own.
--  * It removes headers that would hide usage (accept-encoding), run a request more often than it is counted (x-envoy-*:
--    retries, hedging, timeouts), send it elsewhere (x-tollkeeper-*), turn it into another request (method and path
--    overrides), or that are meant for a proxy.
--  * From here on the client's request id is printable ASCII, because Envoy copies its bytes into logs unchanged. In the
--    user id, all other bytes are escaped: authz does not receive bytes that are not UTF-8, and two users must stay two.

local NOT_SENT = {
  ["x-http-method-override"] = true, ["x-http-method"] = true, ["x-method-override"] = true,
  ["x-original-url"] = true, ["x-rewrite-url"] = true, ["proxy-authorization"] = true,
}
local READ_BY_AUTHZ = { ["authorization"] = true, ["x-api-key"] = true, ["api-key"] = true } -- render: key_headers
local REQUEST_ID_MAX = 512 -- as much as the ledger keeps
local COPY_MIN = 16 -- shorter keys may be in other text by chance
local COLON = 0x3A
local byte, find, gsub, match, sub = string.byte, string.find, string.gsub, string.match, string.sub
local has_key = secrets.are_in

local function is_sent(name)
  return not (NOT_SENT[name] or find(name, "^x%-envoy%-") or find(name, "^x%-tollkeeper%-"))
end

-- What happens to a header: it is removed; it is checked for a key; or it may hold a key for now, because authz removes it
-- or `screen` checks it later.
local TAKEN, LOOKED_AT, PASSED = 1, 2, 3

local function fate_of(name)
  if not is_sent(name) then return TAKEN end
  return (READ_BY_AUTHZ[name] or name == "x-request-id" or byte(name, 1) == COLON) and PASSED or LOOKED_AT
end

-- The same few names come again and again, so they are remembered.
local MAX_KNOWN, MAX_NAME = 1000, 64
local known, count = {}, 0

local function learned(name)
  local fate = fate_of(name)
  if #name <= MAX_NAME then
    if count >= MAX_KNOWN then known, count = {}, 0 end
    known[name], count = fate, count + 1
  end
  return fate
end

local function holds_key(value)
  return find(value, "_", 1, true) and has_key(value)
end

-- The key in a header that authz reads, if it is not in Tollkeeper's form.
local function foreign_key(value)
  local key = match(value, "^%a+ +(%S+)$") or value
  return #key >= COPY_MIN and not has_key(key) and key or nil
end

local function has_copy(text, key)
  return text and key and find(text, key, 1, true)
end

-- The request id as it may go on.
local function clean_request_id(id, foreign)
  if has_copy(id, foreign) then return secrets.REMOVED end
  if find(id, "^[%w-]+$") and #id <= REQUEST_ID_MAX then return id end -- most ids are like this
  if #id > REQUEST_ID_MAX or find(id, "[^\32-\126]") or has_key(id) then
    return secrets.without((gsub(sub(id, 1, REQUEST_ID_MAX), "[^\32-\126]", "?")))
  end
  return id
end

-- The escape character is escaped too, so that different names stay different.
local function escaped_user_id(id)
  if not find(id, "[^\32-\36\38-\126]") then return id end
  return (gsub(id, "[^\32-\36\38-\126]", function(c) return string.format("%%%02X", byte(c)) end))
end

local function decoded_byte(code)
  return string.char(tonumber(code, 16))
end

-- The path with any key removed, or nil if it holds none.
local function without_key(path, foreign)
  if has_copy(path, foreign) then return "/" .. secrets.REMOVED end
  if holds_key(path) then return secrets.without(path) end
  if not find(path, "%", 1, true) then return nil end
  local decoded = gsub(path, "%%(%x%x)", decoded_byte)
  return (has_key(decoded) or has_copy(decoded, foreign)) and "/" .. secrets.REMOVED or nil
end

local function screen(handle)
  collector.expect(0)
  local headers = handle:headers()
  handle:streamInfo():dynamicMetadata():set("tollkeeper.guard", "envoy", instance.ID) -- marks the request as Tollkeeper's
  local removed, request_id, user_id, path, authority, foreign = {}, nil, nil, "", "", nil
  for name, value in pairs(headers) do -- headers must not change during this loop
    local fate = known[name] or learned(name)
    if fate ~= PASSED then
      if fate == TAKEN or holds_key(value) then
        removed[#removed + 1] = name
      elseif name == "x-user-id" then
        user_id = user_id and user_id .. "," .. value or value
      end
    elseif name == ":path" then
      path = value
    elseif name == ":authority" then
      authority = value
    elseif name == "x-request-id" then
      request_id = value
    elseif READ_BY_AUTHZ[name] then
      foreign = foreign_key(value) or foreign
    end
  end
  if foreign then
    for name, value in pairs(headers) do
      if (known[name] or learned(name)) == LOOKED_AT and has_copy(value, foreign) then removed[#removed + 1] = name end
    end
    if has_copy(user_id, foreign) then user_id = nil end
  end
  for i = 1, #removed do headers:remove(removed[i]) end
  headers:replace("accept-encoding", "identity") -- without the header a server may choose any compression
  local id, user = request_id and clean_request_id(request_id, foreign), user_id and escaped_user_id(user_id)
  if id ~= request_id then headers:replace("x-request-id", id) end
  if user ~= user_id then headers:replace("x-user-id", user) end
  -- Envoy finds the route again, in case it was found by one of these; the filter's setting spares all other requests that.
  if removed[1] or id ~= request_id or user ~= user_id then handle:clearRouteCache() end
  local clean = without_key(path, foreign)
  if clean == nil and not holds_key(authority) and not has_copy(authority, foreign) then return end
  if clean then headers:replace(":path", clean) end
  client_error.respond(handle, {
    status = 400, type = "invalid_request_error", code = "credential_in_url",
    message = "An API key must not be in a URL, where logs keep it. Send it in the header Authorization",
  })
end

function envoy_on_request(handle)
  client_error.guarded(handle, screen, "guard", "The request could not be checked")
end
