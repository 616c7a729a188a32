-- Streaming chat and text completions report their usage only on request: this adds the request.

local sub, find = string.sub, string.find

local function is_completion(headers)
  if headers:get(":method") ~= "POST" then return false end
  local path = headers:get(":path"):lower():gsub("[?#].*", ""):gsub("/+$", "")
  return find(path, "/completions$") ~= nil
end

-- The body with `stream_options.include_usage: true`; nil if `stream_options` is not an object.
local function with_include_usage(text, open, asked)
  local spots = asked.spots or {}
  local value = spots["stream_options"]
  if value == nil then
    return sub(text, 1, open) .. '"stream_options":{"include_usage":true},' .. sub(text, open + 1)
  end
  local first, last = value[1], value[2]
  if sub(text, first, last) == "null" then
    return sub(text, 1, first - 1) .. '{"include_usage":true}' .. sub(text, last + 1)
  end
  if sub(text, first, first) ~= "{" then return nil end
  local option = spots["stream_options.include_usage"]
  if option then
    if sub(text, option[1], option[2]) == "true" then return text end
    return sub(text, 1, option[1] - 1) .. "true" .. sub(text, option[2] + 1)
  end
  local comma = json.skip_space(text, first + 1) == last and "" or ","
  return sub(text, 1, first) .. '"include_usage":true' .. comma .. sub(text, first + 1)
end

return { is_completion = is_completion, with_include_usage = with_include_usage }
