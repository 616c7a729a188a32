-- Body guard: what must be true of a request body before it may reach a model server.
--
-- Runs ahead of json_to_metadata, which parses strictly (UTF-8, no NaN, nothing after the object) and sets
-- `tollkeeper: body = invalid`.  So this file only has to find its way through well-formed JSON; what it cannot read is
-- marked invalid too, and ratelimit decides.
--
--  * A bound on the number of values: json_to_metadata builds a tree of them, and a body within the limit of its size has
--    held up a worker for seconds.
--  * A key that Tollkeeper reads must be there once: parsers disagree on which of two wins.  Keys are compared as a lenient
--    server may see them: escapes decoded, letters of either case (Go folds U+017F to s and U+212A to k as well).
--  * `tollkeeper: stream = "true"` for a streaming request.
--  * A streaming chat or text completion asks for its usage (switch below).
--  * Headers that would hide usage (accept-encoding; without one a server may compress as it likes) or run a request more
--    often than it is counted (x-envoy-*: retries, hedging, timeouts) do not go upstream.
--
-- One pass, no recursion: 32 MiB take well under a second whatever is in them.  A script error must not let the request
-- through, which is what Envoy's filter does by itself: hence the pcall.

local ADD_INCLUDE_USAGE = true -- render: include_usage

local READ = {
  model = true, max_tokens = true, max_completion_tokens = true, max_output_tokens = true, n = true,
  stream = true, stream_options = true,
}
-- json_to_metadata takes 0.2 s for so many. OpenAI takes 300,000 tokens in one embeddings request, each of them a value.
local MAX_VALUES = 500000
local INCLUDE_USAGE = { include_usage = true }
-- `max_completion_tokens` with each letter as \uXXXX; a longer key is none of ours.
local MAX_KEY = 6 * #"max_completion_tokens"

local QUOTE, BACKSLASH, COLON, COMMA = 0x22, 0x5C, 0x3A, 0x2C
local OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY = 0x7B, 0x7D, 0x5B, 0x5D

local byte, sub, find = string.byte, string.sub, string.find

-- How many values the body at hand may still have; below zero a scan gives up.
local values_left = 0

-- The first position from `at` that is not white space.
local function skip_space(text, at)
  while true do
    local c = byte(text, at)
    if c ~= 0x20 and c ~= 0x0A and c ~= 0x0D and c ~= 0x09 then return at end
    at = at + 1
  end
end

-- The closing quote of the string that opens at `at`, or nil.
local function string_end(text, at)
  at = at + 1
  while true do
    local c = byte(text, at)
    if c == QUOTE then return at end
    if c == nil then return nil end
    if c == BACKSLASH then at = at + 1 end
    at = at + 1
  end
end

-- The last position of the value that begins at `at`, or nil.
local function value_end(text, at)
  local c = byte(text, at)
  if c == QUOTE then return string_end(text, at) end
  if c ~= OPEN_OBJECT and c ~= OPEN_ARRAY then
    local after = find(text, "[%s,%]}]", at)
    return after and after > at and after - 1
  end
  local depth = 0
  while true do
    c = byte(text, at)
    if c == QUOTE then
      at = string_end(text, at)
      if at == nil then return nil end
    elseif c == COMMA then
      values_left = values_left - 1
      if values_left < 0 then return nil end
    elseif c == OPEN_OBJECT or c == OPEN_ARRAY then
      depth = depth + 1
      values_left = values_left - 1
    elseif c == CLOSE_OBJECT or c == CLOSE_ARRAY then
      depth = depth - 1
      if depth == 0 then return at end
    elseif c == nil then
      return nil
    end
    at = at + 1
  end
end

local function decode_escape(digits)
  local code = tonumber(digits, 16)
  if code < 0x80 then return string.char(code) end
  if code == 0x17F then return "s" end
  if code == 0x212A then return "k" end
  return "?"
end

-- A key as the most lenient server compares it.
local function folded(raw)
  if find(raw, "[\\\128-\255]") then
    raw = raw:gsub("\\u(%x%x%x%x)", decode_escape):gsub("\197\191", "s"):gsub("\226\132\170", "k")
  end
  return raw:lower()
end

-- Walks the object that opens at `at`. Gives the position of its closing brace and {name = {first, last}} for the values of
-- `names`; or nil, and the name that is there twice (nil for text that is no object).
local function scan(text, at, names)
  if byte(text, at) ~= OPEN_OBJECT then return nil end
  local fields = {}
  at = skip_space(text, at + 1)
  if byte(text, at) == CLOSE_OBJECT then return at, fields end
  while true do
    if byte(text, at) ~= QUOTE then return nil end
    local close = string_end(text, at)
    if close == nil then return nil end
    local name = close - at - 1 <= MAX_KEY and folded(sub(text, at + 1, close - 1))
    at = skip_space(text, close + 1)
    if byte(text, at) ~= COLON then return nil end
    local first = skip_space(text, at + 1)
    local last = value_end(text, first)
    values_left = values_left - 1
    if not last or values_left < 0 then return nil end
    if name and names[name] then
      if fields[name] then return nil, name end
      fields[name] = { first, last }
    end
    at = skip_space(text, last + 1)
    local c = byte(text, at)
    if c == CLOSE_OBJECT then return at, fields end
    if c ~= COMMA then return nil end
    at = skip_space(text, at + 1)
  end
end

local function value_of(text, field)
  return field and sub(text, field[1], field[2])
end

local function refuse(handle, message, param, code)
  local body = string.format(
    '{"error":{"message":"%s","type":"invalid_request_error","param":%s,"code":"%s"}}',
    message, param and '"' .. param .. '"' or "null", code)
  handle:respond({ [":status"] = "400", ["content-type"] = "application/json" }, body)
end

local function refuse_duplicate(handle, name)
  refuse(handle, "The body names " .. name .. " more than once", name, "duplicate_key")
end

-- Chat and text completions, the two whose streams end without usage unless it is asked for.
local function is_completion(headers)
  if headers:get(":method") ~= "POST" then return false end
  local path = headers:get(":path"):lower():gsub("[?#].*", ""):gsub("/+$", "")
  return find(path, "/completions$") ~= nil
end

-- The body with `stream_options.include_usage: true`; or nil, and the name that is there twice or is no object.
local function with_include_usage(text, open, field)
  local value = value_of(text, field)
  if value == nil then
    return sub(text, 1, open) .. '"stream_options":{"include_usage":true},' .. sub(text, open + 1)
  end
  if value == "null" then
    return sub(text, 1, field[1] - 1) .. '{"include_usage":true}' .. sub(text, field[2] + 1)
  end
  local close, inner = scan(text, field[1], INCLUDE_USAGE)
  if close == nil then return nil, inner or "stream_options" end
  local asked = inner.include_usage
  if asked then
    if value_of(text, asked) == "true" then return text end
    return sub(text, 1, asked[1] - 1) .. "true" .. sub(text, asked[2] + 1)
  end
  local comma = skip_space(text, field[1] + 1) == close and "" or ","
  return sub(text, 1, field[1]) .. '"include_usage":true' .. comma .. sub(text, field[1] + 1)
end

local function ask_for_usage(handle, body, text, open, fields)
  local stream = value_of(text, fields.stream)
  if stream == nil or stream == "false" or stream == "null" then return end
  if stream ~= "true" then
    return refuse(handle, "stream must be true or false", "stream", "invalid_type")
  end
  if not ADD_INCLUDE_USAGE then return end
  local changed, name = with_include_usage(text, open, fields.stream_options)
  if changed == nil and name == "stream_options" then
    return refuse(handle, "stream_options must be an object", name, "invalid_type")
  end
  if changed == nil then return refuse_duplicate(handle, name) end
  if changed ~= text then body:setBytes(changed) end
end

local function remove_headers(headers)
  headers:replace("accept-encoding", "identity")
  local names = {}
  for name in pairs(headers) do
    if sub(name, 1, 8) == "x-envoy-" then names[#names + 1] = name end
  end
  for _, name in ipairs(names) do headers:remove(name) end
end

local function guard(handle)
  remove_headers(handle:headers())
  local body = handle:body()
  if body == nil or body:length() == 0 then return end
  local text = body:getBytes(0, body:length())
  local open = skip_space(text, sub(text, 1, 3) == "\239\187\191" and 4 or 1)
  values_left = MAX_VALUES
  local close, fields = scan(text, open, READ)
  if close == nil and fields then return refuse_duplicate(handle, fields) end
  if values_left < 0 then
    return refuse(handle, "The body has more than 500000 values", nil, "too_many_values")
  end
  local metadata = handle:streamInfo():dynamicMetadata()
  if close == nil or skip_space(text, close + 1) <= #text then
    return metadata:set("tollkeeper", "body", "invalid")
  end
  if value_of(text, fields.stream) == "true" then metadata:set("tollkeeper", "stream", "true") end
  if is_completion(handle:headers()) then ask_for_usage(handle, body, text, open, fields) end
end

function envoy_on_request(handle)
  local ok, problem = pcall(guard, handle)
  if ok then return end
  handle:logErr("body guard: " .. tostring(problem))
  handle:respond(
    { [":status"] = "500", ["content-type"] = "application/json" },
    '{"error":{"message":"The request could not be checked","type":"server_error","param":null,"code":"body_guard"}}')
end
