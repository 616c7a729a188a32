-- Upstream: the last filter before an endpoint of one model, in the cluster of its endpoints. Values that differ between
-- models are in the marked lines, so that while configurations change, name, path and credential always belong to the
-- endpoint that gets the request.
--
-- Runs once for each try. Headers are as the previous try left them; the body is the original.

local NAME = "" -- render: name
local FILES = {} -- render: files
local CREDENTIALS = {} -- by their number in the endpoints' metadata
local HEADER = "authorization" -- render: header
local BEFORE = "Bearer " -- render: before
local NOT_SENT = { "x-tollkeeper-cluster", "x-tollkeeper-endpoint" }
local REPLACED = { "authorization", "x-api-key", "api-key" }

-- If a file is missing, Envoy rejects the configuration.
for number, path in pairs(FILES) do
  local file = assert(io.open(path))
  CREDENTIALS[number] = file:read("*a")
  file:close()
end

-- Puts `prefix` in front of the path; a version that ends the one and begins the other appears only once, as in
-- `https://host/v1` and `/v1/chat/completions`.
local function below(prefix, path)
  local last = prefix:match("/[^/]+$")
  if last and path:sub(1, #last) == last and (path:sub(#last + 1, #last + 1) == "/") then path = path:sub(#last + 1) end
  return prefix .. path
end

local function prepare(handle)
  local headers, metadata = handle:headers(), handle:streamInfo():dynamicMetadata()
  local said = metadata:get("envoy.filters.http.ratelimit")
  local path, name = metadata:get("tollkeeper.forward").path, NAME
  if name == "" and (said.alias or said.path_model) then name = said.model end
  local number, authority, prefix = headers:get("x-tollkeeper-endpoint"):match("^(%d+) (%S+) (.*)$")
  if said.path_model and name ~= "" then path = rename.in_path(path, said.path_model, name) end
  headers:replace(":path", below(prefix, path))
  headers:replace(":authority", authority)
  for _, each in ipairs(NOT_SENT) do headers:remove(each) end
  local credential = CREDENTIALS[tonumber(number)]
  if credential then
    for _, each in ipairs(REPLACED) do headers:remove(each) end
    headers:replace(HEADER, BEFORE .. credential)
  end
  if name ~= "" or said.priority then rename.body_of(handle, name, said.priority) end
end

function envoy_on_request(handle)
  local ok, problem = pcall(prepare, handle)
  if ok then return end
  handle:logErr("upstream: " .. tostring(problem))
  handle:respond({ [":status"] = "503" }, "")
end
