-- Collects the facts about a request that bear on its cost, in a single pass over the body.

local MAX_VALUES = 500000 -- OpenAI takes 300,000 tokens in one embeddings request, each of them a value
local MAX_SIZES = 16 -- sizes that are reported; further images are taken to be as large as these
local MIN_MEDIA = 16 -- characters
local MAX_MEDIA = 1000 -- further media are taken for text

-- The positions of these keys in the body are kept too, for `usage_option`.
local FOUND_AGAIN = { ["stream_options"] = true, ["stream_options.include_usage"] = true }

local TOP, NESTED, PROMPTS, RAW, UNREAD = fields.TOP, fields.NESTED, fields.PROMPTS, fields.RAW, fields.UNREAD
local MODALITIES = fields.MODALITIES
local sub, find = string.sub, string.find
local clear = require("table.clear")

local Asked = {}
Asked.__index = Asked

-- Only one body is read at a time, without interruption, so a single object is reused for all bodies.
local one = setmetatable({
  body = "", values = 0, scalars = {}, seen = {}, spots = nil,
  prompts = 0, ids = 0, strings = 0, text_sample = sample.new(),
  key_first = {}, key_last = {}, arrays = {}, media = {}, media_count = 0, sizes = {},
  stop = nil, twice = nil, name = nil, nested = nil, in_prompts = nil, in_raw = nil, unread = nil, no_switch = nil,
  opened_at = nil, form = nil, speaks = nil,
}, Asked)

local function new(text)
  if one.media_count > 0 then one.media, one.sizes = {}, {} end
  one.body, one.values, one.prompts, one.ids, one.strings, one.media_count = text, 0, 0, 0, 0, 0
  one.stop, one.twice, one.name, one.nested, one.in_prompts, one.in_raw, one.unread = nil, nil, nil, nil, nil, nil, nil
  one.no_switch, one.opened_at, one.form, one.spots, one.speaks = nil, nil, nil, nil, nil
  clear(one.scalars)
  clear(one.seen)
  sample.empty(one.text_sample)
  return one
end

-- Drops the references to the body.
local function forget()
  one.body = ""
end

-- Adds `count` to the number of values, which is limited per body.
local function counted(self, count)
  self.values = self.values + count
  if self.values > MAX_VALUES then self.stop = "too_many_values" end
end

-- The name under which the key `name` is read, or nil. `name` is folded; `exact` is the key as it is spelled.
local function found(self, names, prefix, name, exact)
  local spelled = names[name]
  if not spelled then return nil end
  local whole = prefix .. spelled
  if self.seen[whole] then
    self.stop, self.twice = "duplicate_key", spelled
  elseif whole == "model" and exact ~= whole then
    -- Servers with case-sensitive keys would use their default model.
    self.stop, self.twice = "ambiguous_key", whole
  end
  self.seen[whole] = true
  return whole
end

function Asked:key(depth, first, last)
  self.key_first[depth], self.key_last[depth] = first, last
  if depth == 1 then
    local name, exact = fields.folded(sub(self.body, first, last))
    self.name, self.nested = found(self, TOP, "", name, exact), NESTED[name]
    if self.nested and not self.name then found(self, { [name] = name }, "", name, exact) end
    self.in_prompts, self.in_raw, self.unread = PROMPTS[name], RAW[name], UNREAD[name]
  elseif self.nested and depth == 2 then
    self.name = found(self, self.nested.names, self.nested.prefix, fields.folded(sub(self.body, first, last)))
  elseif self.nested and depth == 3 and self.arrays[2] then
    -- A set of parameters for each prompt.
    local name = self.nested.names[fields.folded(sub(self.body, first, last))]
    self.name = name and self.nested.prefix .. name
  end
end

local function spot(self, name, first, last)
  self.spots = self.spots or {}
  self.spots[name] = { first, last }
end

-- The scalar whose key was read last, or nil if it is irrelevant.
local function take(self, depth, first, last)
  local name = self.name
  if not name or depth > (self.arrays[2] and self.nested and 3 or self.nested and 2 or 1) then return nil end
  self.name = nil
  local raw, before = sub(self.body, first, last), self.scalars[name]
  if depth < 3 or not before or (tonumber(raw) or 0) > (tonumber(before) or 0) then
    self.scalars[name] = raw
    if FOUND_AGAIN[name] then spot(self, name, first, last) end
  end
  return name
end

function Asked:scalar(depth, first, last)
  counted(self, 1)
  take(self, depth, first, last)
end

function Asked:numbers(depth, count)
  counted(self, count)
  if self.in_prompts and self.arrays[depth] then self.ids = self.ids + count end
end

local function key_at(self, depth)
  local first = self.key_first[depth]
  return first and sub(self.body, first, self.key_last[depth]) or ""
end

function Asked:add_media(item)
  local kind = item.kind
  self.media_count = self.media_count + 1
  local media = self.media[kind] or { count = 0, bytes = 0, ms = 0, unknown = 0 }
  self.media[kind] = media
  media.count, media.bytes = media.count + 1, media.bytes + item.bytes
  if item.ms then media.ms = media.ms + item.ms elseif kind == "audio" then media.unknown = media.unknown + item.bytes end
  if item.width and #self.sizes < MAX_SIZES then
    self.sizes[#self.sizes + 1] = "[" .. item.width .. "," .. item.height .. "]"
  end
end

local function take_media(self, depth, first, last)
  local item = media.of_string(key_at(self, depth), self.body, first, last)
  if item == nil then return false end
  if item.kind == "link" then
    local key, around = key_at(self, depth), key_at(self, depth - 1)
    if key ~= "image_url" and around ~= "image_url" and around ~= "source" then return false end
  end
  self:add_media(item)
  return true
end

-- Text Generation Inference takes images inside its prompt, in Markdown. Returns the start of the text behind the last
-- image.
local function take_inline(self, first, last)
  while self.media_count < MAX_MEDIA do
    local open, bracket = find(self.body, "%]%(data:image\\?/", first)
    local close = open and open < last and find(self.body, ")", bracket, true)
    if not close or close > last then break end
    local item = media.of_string("image", self.body, open + 2, close - 1)
    if item and item.width then -- without a width it may be text to another server
      self:add_media(item)
      sample.add(self.text_sample, first, open + 1)
    else
      sample.add(self.text_sample, first, close - 1)
    end
    first = close
  end
  return first
end

-- Whether the treatment of the next text at this depth depends on its content.
function Asked:may_be_media(depth)
  if self.in_raw or self.unread and depth == 1 then return false end
  local key = key_at(self, depth)
  return media.is_key(key) or depth == 1 and key == "inputs" or depth <= 3 and MODALITIES[fields.folded(key)]
end

-- Whether the value requests an answer with sound in it.
local function asks_for_sound(self, depth, first, last)
  return last - first == 4 and depth <= 3 and MODALITIES[fields.folded(key_at(self, depth))]
    and sub(self.body, first, last):lower() == "audio"
end

function Asked:text(depth, first, last)
  counted(self, 1)
  if take(self, depth, first - 1, last + 1) then return end
  if asks_for_sound(self, depth, first, last) then self.speaks = true end
  if self.in_raw or self.unread and depth == 1 then return end
  if self.in_prompts and depth == 2 and self.arrays[2] then self.prompts = self.prompts + 1 end
  if last - first >= MIN_MEDIA and self.media_count < MAX_MEDIA and take_media(self, depth, first, last) then return end
  self.strings = self.strings + 1
  if depth == 1 and key_at(self, 1) == "inputs" then first = take_inline(self, first, last) end
  sample.add(self.text_sample, first, last)
end

function Asked:opens(depth, at, is_array)
  counted(self, 1)
  if self.name and depth == 2 then
    if FOUND_AGAIN[self.name] then spot(self, self.name, at) end
    if self.name == "stream" then self.no_switch = true end
  end
  self.name = nil
  -- Whether this is an array of arrays, all the way up to the top level.
  self.arrays[depth] = is_array and (depth == 2 or self.arrays[depth - 1])
  if depth == 2 then
    self.opened_at = at
  elseif depth == 3 and self.in_prompts and self.arrays[3] then
    self.prompts = self.prompts + 1
  end
  -- Array elements are treated as if they stood under the array's key.
  self.key_first[depth], self.key_last[depth] = self.key_first[depth - 1], self.key_last[depth - 1]
end

function Asked:closes(depth, at)
  if depth ~= 2 then return end
  if self.in_raw then sample.add(self.text_sample, self.opened_at, at) end
  local option = self.spots and self.spots.stream_options
  if option and option[1] == self.opened_at then option[2] = at end
end

return { new = new, forget = forget }
