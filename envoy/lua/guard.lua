-- Guard: the first filter, ahead of authentication. What no later filter, log or model server may see of the headers.
--
--  * A key of Tollkeeper belongs into the headers that authz reads, and removes. Anywhere else it is a copy: it goes with
--    its header, and a path that has one is refused (it would be in everybody's logs) and logged without it. So is a copy of
--    whatever the request has in those headers: another system may have given that key out, in its own form.
--  * Headers that would hide usage (accept-encoding), run a request more often than it is counted (x-envoy-*: retries,
--    hedging, timeouts) or send it elsewhere (x-tollkeeper-*), make another request of it (method and path overrides), or are meant for a proxy.
--  * The client's request id is printable ASCII from here on: Envoy copies its bytes into logs as they are. So is the name of
--    its user, in which all other bytes are escaped: authz is not shown bytes that are no UTF-8, and two users must stay two.

local NOT_SENT = {
  ["x-http-method-override"] = true, ["x-http-method"] = true, ["x-method-override"] = true,
  ["x-original-url"] = true, ["x-rewrite-url"] = true, ["proxy-authorization"] = true,
}
local READ_BY_AUTHZ = { ["authorization"] = true, ["x-api-key"] = true, ["api-key"] = true } -- render: key_headers
local REQUEST_ID_MAX = 512 -- as long as the ledger keeps it
local COPY_MIN = 16 -- shorter ones are in other text by chance
local COLON = 0x3A
local byte, find, gsub, match, sub = string.byte, string.find, string.gsub, string.match, string.sub
local has_key = secrets.are_in

local function is_sent(name)
  return not (NOT_SENT[name] or find(name, "^x%-envoy%-") or find(name, "^x%-tollkeeper%-"))
end

-- What becomes of a header: it is taken out; it is looked at for a key; a key may be in it for now, as authz removes it or
-- `screen` looks at it.
local TAKEN, LOOKED_AT, PASSED = 1, 2, 3

local function fate_of(name)
  if not is_sent(name) then return TAKEN end
  return (READ_BY_AUTHZ[name] or name == "x-request-id" or byte(name, 1) == COLON) and PASSED or LOOKED_AT
end

-- Most names are always the same few.
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

-- The key in a header that authz reads, if it does not have Tollkeeper's form.
local function foreign_key(value)
  local key = match(value, "^%a+ +(%S+)$") or value
  return #key >= COPY_MIN and not has_key(key) and key or nil
end

local function has_copy(text, key)
  return text and key and find(text, key, 1, true)
end

local function clean_request_id(headers, id, foreign)
  if has_copy(id, foreign) then return headers:replace("x-request-id", secrets.REMOVED) end
  if find(id, "^[%w-]+$") and #id <= REQUEST_ID_MAX then return end -- what most are
  if #id > REQUEST_ID_MAX or find(id, "[^\32-\126]") or has_key(id) then
    local printable = gsub(sub(id, 1, REQUEST_ID_MAX), "[^\32-\126]", "?")
    headers:replace("x-request-id", secrets.without(printable))
  end
end

-- Other names stay others: what escapes is escaped too.
local function escape_user_id(headers, id)
  if not find(id, "[^\32-\36\38-\126]") then return end
  headers:replace("x-user-id", (gsub(id, "[^\32-\36\38-\126]", function(c) return string.format("%%%02X", byte(c)) end)))
end

local function decoded_byte(code)
  return string.char(tonumber(code, 16))
end

-- The path without the key that is in it, or nil if there is none.
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
  handle:streamInfo():dynamicMetadata():set("tollkeeper.guard", "envoy", instance.ID) -- the request is Tollkeeper's
  local removed, request_id, user_id, path, authority, foreign = {}, nil, nil, "", "", nil
  for name, value in pairs(headers) do -- which may not be changed meanwhile
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
  headers:replace("accept-encoding", "identity") -- without one a server may compress as it likes
  if request_id then clean_request_id(headers, request_id, foreign) end
  if user_id then escape_user_id(headers, user_id) end
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
