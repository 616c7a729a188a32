-- Upstream of an MCP server: the last filter before one of its endpoints, in their cluster. Values that differ between
-- servers are in the marked lines, so that path, headers and credential always belong to the endpoint that gets the request.
--
-- A session belongs to the key that opened it. Its id goes to the client with a seal over server, key and id, and comes back
-- with it. A client that sends the id of another key's session gets the reply that servers give for an unknown session.

local SERVER = "" -- render: server
local FILES = {} -- render: files
local SEAL_FILE = "" -- render: seal
local CREDENTIALS = {} -- by their number in the endpoints' metadata
local HEADER = "authorization" -- render: header
local BEFORE = "Bearer " -- render: before
local HEADERS = {} -- render: headers
local NOT_SENT = { "x-tollkeeper-cluster", "x-tollkeeper-endpoint" }
local REPLACED = { "authorization", "x-api-key", "api-key" }
local SESSION = "mcp-session-id"
local SEAL_SIZE = 32 -- hexadecimal digits: 128 bits
local RATELIMIT, OURS = "envoy.filters.http.ratelimit", "tollkeeper.mcp.session"

-- If a file is missing, Envoy rejects the configuration.
local function read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

for number, path in pairs(FILES) do CREDENTIALS[number] = read(path) end
local SEAL_KEY = read(SEAL_FILE)

local function seal_of(said, id)
  return hmac.of(SEAL_KEY, table.concat({ SERVER, said.tenant_id or "", said.key_id or "", id }, "\n")):sub(1, SEAL_SIZE)
end

-- The server's own id of the session; nil if the session is not the caller's.
local function opened(said, given)
  local seal, id = given:sub(1, SEAL_SIZE), given:sub(SEAL_SIZE + 2)
  return given:sub(SEAL_SIZE + 1, SEAL_SIZE + 1) == "." and seal == seal_of(said, id) and id or nil
end

local function unknown_session(handle, said)
  handle:respond(
    { [":status"] = "404", ["content-type"] = "application/json" },
    string.format(
      '{"jsonrpc":"2.0","id":%s,"error":{"code":-32600,"message":"Session not found"}}', said.rpc_id or "null"))
end

local function prepare(handle)
  local headers, metadata = handle:headers(), handle:streamInfo():dynamicMetadata()
  local said = metadata:get(RATELIMIT)
  local number, authority, prefix = headers:get("x-tollkeeper-endpoint"):match("^(%d+) (%S+) (.*)$")
  local given = headers:get(SESSION)
  if given then
    -- On a second try, the header is already as the first try left it.
    local before = metadata:get(OURS)
    local id = before and before.id == given and given or opened(said, given)
    if id == nil then return unknown_session(handle, said) end
    metadata:set(OURS, "id", id)
    headers:replace(SESSION, id)
  end
  headers:replace(":path", prefix == "" and "/" or prefix)
  headers:replace(":authority", authority)
  for _, each in ipairs(NOT_SENT) do headers:remove(each) end
  for name, value in pairs(HEADERS) do headers:replace(name, value) end
  local credential = CREDENTIALS[tonumber(number)]
  if credential then
    for _, each in ipairs(REPLACED) do headers:remove(each) end
    headers:replace(HEADER, BEFORE .. credential)
  end
end

function envoy_on_request(handle)
  local ok, problem = pcall(prepare, handle)
  if ok then return end
  handle:logErr("mcp upstream: " .. tostring(problem))
  handle:respond({ [":status"] = "503" }, "")
end

local function seal(handle)
  local headers = handle:headers()
  local id = headers:get(SESSION)
  if id then
    local said = handle:streamInfo():dynamicMetadata():get(RATELIMIT)
    headers:replace(SESSION, seal_of(said, id) .. "." .. id)
  end
end

function envoy_on_response(handle)
  local ok, problem = pcall(seal, handle)
  if ok then return end
  handle:logErr("mcp upstream: " .. tostring(problem))
  handle:headers():remove(SESSION)
end
