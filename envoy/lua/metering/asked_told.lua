-- What a request asks for (asked.lua), composed into the string that ratelimit gets:
-- {"model":…,"max_tokens":…,"options.num_predict":…,"prompts":…,"prompt_ids":…,"strings":…,"text":[…],"images":[[w,h],…],…}

local MAX_SCALAR = 64 -- characters; a longer count is beyond any bound
local BEYOND = "9e99"
local MAX_MODEL = 1536 -- 256 characters, each as \uXXXX
local NO_MODEL = '"' .. string.rep("?", 257) .. '"' -- longer than any name that can be registered
local MAX_SPELLED = 4096
local LARGE, MANY = 65536, 10000 -- bytes, and values, beyond which they are told

-- A scalar as JSON that is neither long nor a container.
local function spelled(name, raw)
  if name == "model" then return #raw <= MAX_MODEL and raw or NO_MODEL end
  return #raw <= MAX_SCALAR and raw or BEYOND
end

local function put(out, name, value)
  if value then out[#out + 1] = '"' .. name .. '":' .. value end
end

local function put_count(out, name, count)
  if count and count > 0 then put(out, name, digits.spelled(count)) end
end

local NOTHING = { count = 0, bytes = 0, ms = 0, unknown = 0 }

-- What it took to read it, if that is much.
local function put_work(asked, out)
  if #asked.body > LARGE then put_count(out, "length", #asked.body) end
  if asked.values > MANY then put_count(out, "values", asked.values) end
end

-- The same for a body that is not what it should be.
local function invalid(asked)
  local out = { '"body":"invalid"' }
  put_work(asked, out)
  return "{" .. table.concat(out, ",") .. "}"
end

-- The string for ratelimit; nil if it would be too long.
local function compose(asked)
  local out, kinds = {}, asked.media
  for name, raw in pairs(asked.scalars) do put(out, name, spelled(name, raw)) end
  put_count(out, "prompts", asked.prompts)
  put_count(out, "prompt_ids", asked.ids)
  put_count(out, "strings", asked.strings)
  put(out, "text", sample.summary(asked.text_sample, asked.body))
  put_count(out, "image_count", (kinds.image or NOTHING).count + (kinds.link or NOTHING).count)
  if #asked.sizes > 0 then put(out, "images", "[" .. table.concat(asked.sizes, ",") .. "]") end
  put_count(out, "audio_ms", (kinds.audio or NOTHING).ms)
  put_count(out, "audio_bytes", (kinds.audio or NOTHING).unknown)
  put_count(out, "video_bytes", (kinds.video or NOTHING).bytes)
  put_count(out, "file_bytes", (kinds.file or NOTHING).bytes)
  put(out, "form", asked.form and "true")
  put(out, "speaks", asked.speaks and "true")
  put_work(asked, out)
  local composed = secrets.without("{" .. table.concat(out, ",") .. "}") -- a model may be called like a key, in logs
  return #composed <= MAX_SPELLED and composed or nil
end

return { compose = compose, invalid = invalid }
