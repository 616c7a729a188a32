-- Guard: the first filter, ahead of authentication. What no later filter, log or model server may see of the headers.
--
--  * A key of Tollkeeper belongs into the headers that authz reads, and removes. Anywhere else it is a copy: it goes with
--    its header, and a path that has one is refused (it would be in everybody's logs) and logged without it.
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
local COLON, DASH, X = 0x3A, 0x2D, 0x78
local byte, find, gsub, sub = string.byte, string.find, string.gsub, string.sub
local has_key = secrets.are_in

local function is_sent(name)
  if byte(name, 1) ~= X or byte(name, 2) ~= DASH then return not NOT_SENT[name] end
  return not NOT_SENT[name] and sub(name, 1, 8) ~= "x-envoy-" and sub(name, 1, 13) ~= "x-tollkeeper-"
end

-- Whether a header may have a key in it for now: authz removes it, or `screen` looks at it.
local function may_have_key(name)
  return READ_BY_AUTHZ[name] or name == "x-request-id" or byte(name, 1) == COLON
end

local function holds_key(value)
  return find(value, "_", 1, true) and has_key(value)
end

-- Whether all of it may be printed.  A pattern takes some thirty times as long.
local function is_printable(text)
  for at = 1, #text do
    local c = byte(text, at)
    if c < 0x20 or c > 0x7E then return false end
  end
  return true
end

local function clean_request_id(headers, id)
  if #id > REQUEST_ID_MAX or not is_printable(id) or has_key(id) then
    local printable = gsub(sub(id, 1, REQUEST_ID_MAX), "[^\32-\126]", "?")
    headers:replace("x-request-id", secrets.without(printable))
  end
end

-- Other names stay others: what escapes is escaped too.
local function escape_user_id(headers, id)
  if is_printable(id) and not find(id, "%", 1, true) then return end
  headers:replace("x-user-id", (gsub(id, "[^\32-\36\38-\126]", function(c) return string.format("%%%02X", byte(c)) end)))
end

local function decoded_byte(code)
  return string.char(tonumber(code, 16))
end

-- The path without the key that is in it, or nil if there is none.
local function without_key(path)
  if has_key(path) then return secrets.without(path) end
  if not find(path, "%", 1, true) then return nil end
  local decoded = gsub(path, "%%(%x%x)", decoded_byte)
  return has_key(decoded) and "/" .. secrets.REMOVED or nil
end

local function screen(handle)
  collector.expect(0)
  local headers = handle:headers()
  handle:streamInfo():dynamicMetadata():set("tollkeeper.guard", "envoy", instance.ID) -- the request is Tollkeeper's
  headers:replace("accept-encoding", "identity") -- without one a server may compress as it likes
  local removed, request_id, user_id, path, in_authority = nil, nil, nil, "", false
  for name, value in pairs(headers) do -- which may not be changed meanwhile
    if not is_sent(name) or not may_have_key(name) and holds_key(value) then
      removed = removed or {}
      removed[#removed + 1] = name
    elseif name == ":path" then
      path = value
    elseif name == ":authority" then
      in_authority = holds_key(value)
    elseif name == "x-request-id" then
      request_id = value
    elseif name == "x-user-id" then
      user_id = user_id and user_id .. "," .. value or value
    end
  end
  for i = 1, removed and #removed or 0 do headers:remove(removed[i]) end
  if request_id then clean_request_id(headers, request_id) end
  if user_id then escape_user_id(headers, user_id) end
  local clean = without_key(path)
  if clean == nil and not in_authority then return end
  if clean then headers:replace(":path", clean) end
  client_error.respond(handle, {
    status = 400, type = "invalid_request_error", code = "credential_in_url",
    message = "An API key must not be in a URL, where logs keep it. Send it in the header Authorization",
  })
end

function envoy_on_request(handle)
  client_error.guarded(handle, screen, "guard", "The request could not be checked")
end
