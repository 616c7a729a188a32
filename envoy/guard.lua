-- Joined from envoy/lua by `tollkeeper envoy render`; see README.md.

local client_error = (function()
-- The meter's refusals, in the shape that the clients of the called API read: as clients/errors.py, for the paths of
-- clients/api.py.  Tests hold both to the same answers.

local find = string.find

local PATHS = {
  anthropic = { "/v1/messages$", "/v1/messages/" },
  gemini = { "/models/[^/]+:%l+$", "/tunedmodels/[^/]+:%l+$", "/batches/[^/]+:%l+$" },
  ollama = { "/api/%l+$" },
  cohere = { "/v2/chat$", "/v2/embed$", "/v2/rerank$", "/v2/classify$" },
  bedrock = { "/model/[^/]+/converse[%l-]*$", "/model/[^/]+/invoke[%l-]*$", "/model/[^/]+/count%-tokens[%l-]*$" },
}
local ANTHROPIC = { [400] = "invalid_request_error" }
local GOOGLE = { [400] = "INVALID_ARGUMENT" }
local AMAZON = { [400] = "ValidationException" }

local function api_of(path)
  path = path:lower():gsub("[?#].*", "")
  local trimmed = path:gsub("/+$", "")
  for api, patterns in pairs(PATHS) do
    for _, pattern in ipairs(patterns) do
      if find(trimmed, pattern) or find(path, pattern) then return api end
    end
  end
  return "openai"
end

-- `fault`: status, message, type, code, param (or nil); none has a character that JSON would escape.
local SHAPES = {
  openai = function(fault)
    return string.format(
      '{"error":{"message":"%s","type":"%s","param":%s,"code":"%s"}}',
      fault.message, fault.type, fault.param and '"' .. fault.param .. '"' or "null", fault.code)
  end,
  anthropic = function(fault)
    return string.format(
      '{"type":"error","error":{"type":"%s","message":"%s"}}', ANTHROPIC[fault.status] or "api_error", fault.message)
  end,
  gemini = function(fault)
    return string.format(
      '{"error":{"code":%d,"message":"%s","status":"%s","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo",'
        .. '"reason":"%s","domain":"tollkeeper"}]}}',
      fault.status, fault.message, GOOGLE[fault.status] or "INTERNAL", fault.code:upper())
  end,
  ollama = function(fault) return string.format('{"error":"%s"}', fault.message) end,
  cohere = function(fault) return string.format('{"message":"%s"}', fault.message) end,
}
SHAPES.bedrock = SHAPES.cohere

local function respond(handle, fault)
  local api = api_of(handle:headers():get(":path"))
  local headers = {
    [":status"] = tostring(fault.status), ["content-type"] = "application/json", ["x-should-retry"] = "false",
  }
  if api == "bedrock" then headers["x-amzn-errortype"] = AMAZON[fault.status] or "InternalServerException" end
  handle:respond(headers, SHAPES[api](fault))
end

return { respond = respond }
end)()

local guard = (function()
-- Guard: the first filter, ahead of authentication. What no later filter, log or model server may see of the headers.
--
--  * A key of Tollkeeper belongs into the headers that authz reads, and removes. Anywhere else it is a copy: it goes with
--    its header, and a path that has one is refused (it would be in everybody's logs) and logged without it.
--  * Headers that would hide usage (accept-encoding), run a request more often than it is counted (x-envoy-*: retries,
--    hedging, timeouts), make another request of it (method and path overrides), or are meant for a proxy.
--  * The client's request id is printable ASCII from here on: Envoy copies its bytes into logs as they are.
--
-- A script error must not let the request through, which is what Envoy's filter does by itself: hence the pcall.

local NOT_SENT = {
  ["x-http-method-override"] = true, ["x-http-method"] = true, ["x-method-override"] = true,
  ["x-original-url"] = true, ["x-rewrite-url"] = true, ["proxy-authorization"] = true,
}
local READ_BY_AUTHZ = { authorization = true, ["x-api-key"] = true, ["api-key"] = true }
-- As tenancy/values/secret.py mints them.
local BEGIN, REMOVED = "sk_", "sk_removed"
local KEY = BEGIN .. ("%x"):rep(48)
local REQUEST_ID_MAX = 512 -- as long as the ledger keeps it
local find, gsub, sub = string.find, string.gsub, string.sub

local function has_key(value)
  return find(value, BEGIN, 1, true) ~= nil and find(value, KEY) ~= nil
end

local function is_removed(name, value)
  if NOT_SENT[name] or sub(name, 1, 8) == "x-envoy-" then return true end
  return has_key(value) and not READ_BY_AUTHZ[name] and name ~= "x-request-id" and sub(name, 1, 1) ~= ":"
end

local function remove_headers(headers)
  headers:replace("accept-encoding", "identity") -- without one a server may compress as it likes
  local names, count = {}, 0
  for name, value in pairs(headers) do
    if is_removed(name, value) then
      count = count + 1
      names[count] = name
    end
  end
  for i = 1, count do headers:remove(names[i]) end
end

local function clean_request_id(headers)
  local id = headers:get("x-request-id")
  if id and (#id > REQUEST_ID_MAX or find(id, "[^\32-\126]") or has_key(id)) then
    local printable = gsub(sub(id, 1, REQUEST_ID_MAX), "[^\32-\126]", "?")
    headers:replace("x-request-id", (gsub(printable, KEY, REMOVED)))
  end
end

-- The path without the key that is in it, or nil if there is none.
local function without_key(path)
  if has_key(path) then return (gsub(path, KEY, REMOVED)) end
  if not find(path, "%", 1, true) then return nil end
  local decoded = gsub(path, "%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end)
  return has_key(decoded) and "/" .. REMOVED or nil
end

local function screen(handle)
  local headers = handle:headers()
  remove_headers(headers)
  clean_request_id(headers)
  local path = without_key(headers:get(":path") or "")
  if path == nil and not has_key(headers:get(":authority") or "") then return end
  if path then headers:replace(":path", path) end
  client_error.respond(handle, {
    status = 400, type = "invalid_request_error", code = "credential_in_url",
    message = "An API key must not be in a URL, where logs keep it. Send it in the header Authorization",
  })
end

function envoy_on_request(handle)
  local ok, problem = pcall(screen, handle)
  if ok then return end
  handle:logErr("guard: " .. tostring(problem))
  client_error.respond(
    handle, { status = 500, message = "The request could not be checked", type = "server_error", code = "guard" })
end
end)()
