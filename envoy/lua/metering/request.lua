-- The request side of the meter: checks a body before it may reach a model server, and reads the facts that bear on its
-- cost.
--
--  * A key that Tollkeeper reads must appear only once: parsers disagree on which of two wins.
--  * The number of values is bounded.
--  * A body that is not strictly a JSON object or a form is reported to ratelimit, which decides.
--  * A streaming chat or text completion is made to request its usage.
--
-- Takes time linear in the size of the body, without recursion.

local ADD_INCLUDE_USAGE = true -- render: include_usage

local TOLD = { "stream", "background" } -- these are also written to the access log
local MESSAGES = {
  duplicate_key = "The body names %s more than once",
  ambiguous_key = "The body spells %s in a way that servers read differently",
  too_many_values = "The body has more than 500000 values",
}
local BYTE_ORDER_MARK = "\239\187\191"
local sub = string.sub

local function refuse(handle, message, param, code)
  client_error.respond(
    handle, { status = 400, message = message, type = "invalid_request_error", param = param, code = code })
end

local function refuse_body(handle, asked)
  refuse(handle, MESSAGES[asked.stop]:format(asked.twice), asked.twice, asked.stop)
end

local function ask_for_usage(handle, body, text, open, asked)
  local stream = asked.scalars.stream
  if not asked.no_switch and (stream == nil or stream == "false" or stream == "null") then return end
  if not usage_option.is_completion(handle:headers()) then return end
  if asked.no_switch or stream ~= "true" then
    return refuse(handle, "stream must be true or false", "stream", "invalid_type")
  end
  if not ADD_INCLUDE_USAGE then return end
  local changed = usage_option.with_include_usage(text, open, asked)
  if changed == nil then
    return refuse(handle, "stream_options must be an object", "stream_options", "invalid_type")
  end
  if changed ~= text then body:setBytes(changed) end
end

-- Reads the body into `asked`. Returns the position where the object opens, 0 for a form, or nil for anything else.
local function read(handle, text, asked)
  local open, c = json.skip_space(text, sub(text, 1, 3) == BYTE_ORDER_MARK and 4 or 1)
  local kind = handle:headers():get("content-type")
  if not bytes.is_utf8(kind, text) then return nil end
  if c == 0x2D then -- a form always begins with a dash, a JSON object never does
    return kind and form.read(kind, text, asked) and 0 or nil
  end
  if not bytes.is_plain(text) then return nil end
  if asked_shapes.read(asked, text) then return open end
  local reader = asked_shapes.reader_for(asked, text)
  local close = json.walk(text, open, reader)
  if not close or json.skip_space(text, close + 1) <= #text then return nil end
  asked_shapes.learn(reader, text)
  return open
end

local function guard(handle)
  local body = handle:body()
  local size = body and body:length() or 0
  if size == 0 then return end
  collector.expect(size)
  local text = body:getBytes(0, size)
  local asked = asked.new(text)
  local open = read(handle, text, asked)
  if asked.stop then return refuse_body(handle, asked) end
  local composed = open and asked_told.compose(asked)
  local metadata = handle:streamInfo():dynamicMetadata()
  cache_key.note(handle, metadata, open ~= 0 and open and text, asked.scalars.model)
  if not composed then return metadata:set("tollkeeper", "asked", asked_told.invalid(asked)) end
  metadata:set("tollkeeper", "asked", composed)
  for _, name in ipairs(TOLD) do
    if asked.scalars[name] == "true" then metadata:set("tollkeeper", name, "true") end
  end
  if open > 0 then ask_for_usage(handle, body, text, open, asked) end
end

function envoy_on_request(handle)
  client_error.guarded(handle, guard, "meter", "The request could not be checked")
  asked.forget()
end
