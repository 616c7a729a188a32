-- Composes the facts that asked.lua read from a request into the string for ratelimit:
-- {"model":…,"max_tokens":…,"options.num_predict":…,"prompts":…,"prompt_ids":…,"strings":…,"text":[…],"images":[[w,h],…],…}

local MAX_SCALAR = 64 -- characters; a longer count is above every bound
local BEYOND = "9e99"
local MAX_MODEL = 1536 -- 256 characters, each as \uXXXX
local NO_MODEL = '"' .. string.rep("?", 257) .. '"' -- longer than any model name that can be registered
local MAX_SPELLED = 4096
local LARGE, MANY = 65536, 10000 -- body bytes and values above which their number is reported

-- The scalar as JSON; a long one, or a container, is replaced.
local function spelled(name, raw)
  if name == "model" then return #raw <= MAX_MODEL and raw or NO_MODEL end
  return #raw <= MAX_SCALAR and raw or BEYOND
end

-- The pieces of the string. Only one body is read at a time, so the tables are reused. `heads` keeps the text in front of
-- each name's value: the names are Tollkeeper's own, so they are few.
local pieces, size, heads = {}, 0, {}

local function put(name, value)
  if not value then return end
  local head = heads[name]
  if head == nil then
    head = ',"' .. name .. '":'
    heads[name] = head
  end
  pieces[size + 1], pieces[size + 2], size = head, value, size + 2
end

local function put_count(name, count)
  if count > 0 then put(name, digits.spelled(count)) end
end

local NOTHING = { count = 0, bytes = 0, ms = 0, unknown = 0 }

local function put_media(kinds, sizes)
  local audio = kinds.audio or NOTHING
  put_count("image_count", (kinds.image or NOTHING).count + (kinds.link or NOTHING).count)
  if #sizes > 0 then put("images", "[" .. table.concat(sizes, ",") .. "]") end
  put_count("audio_ms", audio.ms)
  put_count("audio_bytes", audio.unknown)
  put_count("video_bytes", (kinds.video or NOTHING).bytes)
  put_count("file_bytes", (kinds.file or NOTHING).bytes)
end

-- Reports the effort of reading the body, if it is large.
local function put_work(asked)
  if #asked.body > LARGE then put_count("length", #asked.body) end
  if asked.values > MANY then put_count("values", asked.values) end
end

local function composed()
  pieces[1] = "{" .. string.sub(pieces[1], 2)
  pieces[size + 1] = "}"
  return table.concat(pieces, "", 1, size + 1)
end

-- The string for an invalid body.
local function invalid(asked)
  size = 0
  put("body", '"invalid"')
  put_work(asked)
  return composed()
end

-- The string for ratelimit, or nil if it would be too long.
local function compose(asked)
  size = 0
  for name, raw in pairs(asked.scalars) do put(name, spelled(name, raw)) end
  put_count("prompts", asked.prompts)
  put_count("prompt_ids", asked.ids)
  put_count("strings", asked.strings)
  put("text", sample.summary(asked.text_sample, asked.body))
  if asked.media_count > 0 then put_media(asked.media, asked.sizes) end
  if asked.form then put("form", "true") end
  if asked.speaks then put("speaks", "true") end
  put_work(asked)
  if size == 0 then return "{}" end
  local told = secrets.without(composed()) -- a model name may look like a key; logs must not show it
  return #told <= MAX_SPELLED and told or nil
end

return { compose = compose, invalid = invalid }
