-- The meter's refusals, in the shape that clients of the called API expect: the same as clients/errors.py, for the paths of
-- clients/api.py. Tests check that both give the same answers.

local find = string.find

local PATHS = {
  anthropic = { "/v1/messages$", "/v1/messages/" },
  gemini = { "/models/[^/]+:%l+$", "/tunedmodels/[^/]+:%l+$", "/batches/[^/]+:%l+$" },
  ollama = { "/api/%l+$" },
  cohere = { "/v2/chat$", "/v2/embed$", "/v2/rerank$", "/v2/classify$" },
  mcp = { "^/mcp/" },
  bedrock = { "/model/[^/]+/converse[%l-]*$", "/model/[^/]+/invoke[%l-]*$", "/model/[^/]+/count%-tokens[%l-]*$" },
}
local ANTHROPIC = { [400] = "invalid_request_error" }
local GOOGLE = { [400] = "INVALID_ARGUMENT" }
local JSON_RPC = { [400] = -32600 }
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

-- `fault`: status, message, type, code, param (or nil); none holds a character that JSON would escape.
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
  mcp = function(fault)
    return string.format(
      '{"jsonrpc":"2.0","id":null,"error":{"code":%d,"message":"%s","data":{"code":"%s"}}}',
      JSON_RPC[fault.status] or -32603, fault.message, fault.code)
  end,
  cohere = function(fault) return string.format('{"message":"%s"}', fault.message) end,
}
SHAPES.bedrock = SHAPES.cohere

local function respond(handle, fault)
  handle:streamInfo():dynamicMetadata():set("tollkeeper.guard", "refused", true) -- read by blocks/local_reply.yaml
  local api = api_of(handle:headers():get(":path"))
  local headers = {
    [":status"] = tostring(fault.status), ["content-type"] = "application/json", ["x-should-retry"] = "false",
  }
  if api == "bedrock" then headers["x-amzn-errortype"] = AMAZON[fault.status] or "InternalServerException" end
  handle:respond(headers, SHAPES[api](fault))
end

-- Calls `work` with the request. If the script fails, the request is refused; Envoy's filter by itself would let it through.
local function guarded(handle, work, name, message)
  local ok, problem = pcall(work, handle)
  if ok then return end
  handle:logErr(name .. ": " .. tostring(problem))
  respond(handle, { status = 500, message = message, type = "server_error", code = name })
end

return { respond = respond, guarded = guarded }
