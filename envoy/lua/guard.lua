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
local REQUEST_ID_MAX = 512 -- as long as the ledger keeps it
local find, gsub, sub = string.find, string.gsub, string.sub
local has_key = secrets.are_in

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
    headers:replace("x-request-id", secrets.without(printable))
  end
end

-- The path without the key that is in it, or nil if there is none.
local function without_key(path)
  if has_key(path) then return secrets.without(path) end
  if not find(path, "%", 1, true) then return nil end
  local decoded = gsub(path, "%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end)
  return has_key(decoded) and "/" .. secrets.REMOVED or nil
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
