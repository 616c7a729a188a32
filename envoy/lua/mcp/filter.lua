-- MCP: takes the meter's place on the route to MCP servers. It reports to ratelimit what a message requests. In answers, it
-- removes the tools that the key may not call from lists of tools, and counts bytes.

local RATELIMIT, OURS = "envoy.filters.http.ratelimit", "tollkeeper.mcp"

local function screen(handle)
  local body = handle:body()
  if body == nil or body:length() == 0 then return end
  collector.expect(body:length())
  local asked, id = message.read(body:getBytes(0, body:length()), handle:headers())
  local metadata = handle:streamInfo():dynamicMetadata()
  metadata:set("tollkeeper", "asked", asked)
  if id == nil then return end
  -- For Envoy's own replies.
  local told = tonumber(id) or not id:find("\\", 1, true) and secrets.without(id:sub(2, -2)) or nil
  if told then metadata:set(OURS, "id", told) end
end

function envoy_on_request(handle)
  client_error.guarded(handle, screen, "mcp", "The request could not be checked")
end

local function names_in(text)
  local found = {}
  for name in text:gmatch("[^\n]+") do found[name] = true end
  return found
end

-- Envoy's objects are invalid once the script has waited for more data, so they are fetched anew each time.
local function counter(handle)
  local seen = 0
  return function(size)
    seen = seen + size
    handle:streamInfo():dynamicMetadata():set("tollkeeper", "text_bytes", seen)
  end
end

local function no_list(said)
  return string.format(
    '{"jsonrpc":"2.0","id":%s,"error":{"code":-32603,"message":"The list of tools cannot be read"}}', said.rpc_id or "null")
end

local function read_plain(handle, said, allowed, count)
  local body = handle:body()
  local headers, text = handle:headers(), body and body:getBytes(0, body:length()) or ""
  if count then count(#text) end
  if headers:get("content-encoding") then headers:remove("content-encoding") end
  local told = listed.only(text, allowed) or no_list(said)
  if body then
    body:setBytes(told)
    headers:replace("content-length", tostring(#told))
  end
end

local function read_chunks(handle, passing, count)
  for chunk in handle:bodyChunks() do
    local size = chunk:length()
    collector.expect(size)
    if count then count(size) end
    if passing and size > 0 then chunk:setBytes(passing:read(chunk:getBytes(0, size))) end
  end
end

local function answer(handle)
  local said = handle:streamInfo():dynamicMetadata():get(RATELIMIT)
  if said == nil or not said.mcp then return end
  local headers, count = handle:headers(), said.inference and counter(handle) or nil
  local allowed = said.tools and names_in(said.tools)
  local kind = (headers:get("content-type") or ""):lower()
  local is_stream = kind:find("text/event-stream", 1, true) == 1
  if allowed and not is_stream then
    if (headers:get(":status") or ""):find("^2") then return read_plain(handle, said, allowed, count) end
    allowed = nil -- an error, or an answer without content yet
  end
  if not allowed and not count then return end
  local passing
  if allowed then
    headers:remove("content-length")
    passing = events.new(function(text) return listed.only(text, allowed) end)
  end
  read_chunks(handle, passing, count)
end

function envoy_on_response(handle)
  local ok, problem = pcall(answer, handle)
  if not ok then handle:logErr("mcp: " .. tostring(problem)) end
end
