-- The canonical text of a JSON object: without white space between values, and with the members of objects sorted by name.
-- Two texts have the same canonical text only if every parser reads the same from both:
--
--  * An object keeps its order if some parser could take one of its names for another (duplicates, capitals, escapes, not
--    ASCII): which of the two wins depends on the order.
--  * Parts that models see verbatim keep their order too: tools and schemas.
--  * Values are not interpreted: 1 and 1.0 make two different requests.
--
-- Linear except for the sorting, and without recursion. Invalid JSON has no canonical text; the meter refuses it.

local MAX_DEPTH = 512
local QUOTE, COLON, COMMA = 0x22, 0x3A, 0x2C
local OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY = 0x7B, 0x7D, 0x5B, 0x5D
local skip_space, string_end = json.skip_space, json.string_end
local find, sub = string.find, string.sub

local AS_IT_STANDS = {}
for name in ([[tools functions tool_choice response_format json_schema guided_json structured_outputs toolconfig grammar format
  schema properties parameters arguments input_schema responseschema response_schema]]):gmatch("%S+") do
  AS_IT_STANDS[name] = true
end
-- Objects that hold sampling parameters.
local SAMPLING = {}
for name in ([[options parameters sampling_params generationconfig generation_config inferenceconfig
  textgenerationconfig]]):gmatch("%S+") do
  SAMPLING[name] = true
end
-- Members that tie a request to a conversation kept by the server.
local STATEFUL = { conversation = true, previous_response_id = true }

local Scan = {}
Scan.__index = Scan

-- Notes facts about the value `piece`, which is not a container.
local function note(self, piece)
  local level = self.levels[self.depth]
  local name = level and level.name
  if not name or level.is_array or self.depth > 2 then return end
  if self.depth == 2 and not SAMPLING[self.levels[1].name or ""] then return end
  if name == "temperature" and tonumber(piece) == 0 or name == "seed" and tonumber(piece) then self.deterministic = true end
  if self.depth > 1 then return end
  if STATEFUL[name] and piece ~= "null" or name == "background" and piece ~= "false" and piece ~= "null" then
    self.stateful = true
  end
end

local function put(level, piece)
  local count = level.count + 1
  level.count = count
  if level.is_array then
    level.values[count] = piece
  else
    level.keys[count], level.values[count] = level.key, piece
  end
end

-- Reads the name at `at`, and moves to its value.
function Scan:key()
  local text, at = self.text, self.at
  local close = self.c == QUOTE and string_end(text, at + 1)
  if not close then return false end
  local level, key = self.levels[self.depth], sub(text, at, close)
  level.key, level.name = key, key:lower():sub(2, -2)
  if level.seen[level.name] or find(key, "[\\\128-\255]") then level.fixed = true end
  level.seen[level.name] = true
  at, self.c = skip_space(text, close + 1)
  if self.c ~= COLON then return false end
  self.at, self.c = skip_space(text, at + 1)
  return true
end

function Scan:open()
  local above = self.levels[self.depth]
  local name = above and above.name or ""
  self.depth = self.depth + 1
  if self.depth > MAX_DEPTH then return false end
  local is_array = self.c == OPEN_ARRAY
  if self.depth == 2 and STATEFUL[name] then self.stateful = true end
  self.levels[self.depth] = {
    is_array = is_array, count = 0, values = {}, keys = not is_array and {} or nil, seen = {},
    name = is_array and name or nil, fixed = above and (above.fixed_below or AS_IT_STANDS[name]) or false,
  }
  self.levels[self.depth].fixed_below = self.levels[self.depth].fixed
  self.at, self.c = skip_space(self.text, self.at + 1)
  return true
end

local function closed(level)
  local values = level.values
  if level.is_array then return "[" .. table.concat(values, ",") .. "]" end
  local keys, members, order = level.keys, {}, {}
  for i = 1, level.count do order[i] = i end
  if not level.fixed then table.sort(order, function(a, b) return keys[a] < keys[b] end) end
  for i, at in ipairs(order) do members[i] = keys[at] .. ":" .. values[at] end
  return "{" .. table.concat(members, ",") .. "}"
end

-- The text of the value at `at`, which is not a container; nil if it is invalid.
function Scan:plain()
  local last
  if self.c == QUOTE then last = string_end(self.text, self.at + 1) else last = select(2, find(self.text, "^[%w+.-]+", self.at)) end
  if not last then return nil end
  local piece = sub(self.text, self.at, last)
  self.at = last + 1
  note(self, piece)
  return piece
end

-- Moves from behind a value to the start of the next one. Returns true if there is one, the whole text at the end, nil if
-- the JSON is invalid.
function Scan:behind(piece)
  while true do
    if self.depth == 0 then
      return select(2, skip_space(self.text, self.at)) == nil and piece or nil
    end
    local level = self.levels[self.depth]
    if piece then put(level, piece) end
    self.at, self.c = skip_space(self.text, self.at)
    if self.c == COMMA and piece then
      self.at, self.c = skip_space(self.text, self.at + 1)
      return level.is_array or self:key() or nil
    end
    if self.c ~= (level.is_array and CLOSE_ARRAY or CLOSE_OBJECT) then return nil end
    piece, self.depth, self.at = closed(level), self.depth - 1, self.at + 1
  end
end

-- The canonical text, and the facts noted on the way: `deterministic`, `stateful`; nil if the text is not a JSON object.
local function of(text)
  local at, c = skip_space(text, 1)
  if c ~= OPEN_OBJECT then return nil end
  local self = setmetatable({ text = text, at = at, c = c, depth = 0, levels = {} }, Scan)
  while true do
    local piece
    if self.c == OPEN_OBJECT or self.c == OPEN_ARRAY then
      if not self:open() then return nil end
      local level = self.levels[self.depth]
      if self.c ~= (level.is_array and CLOSE_ARRAY or CLOSE_OBJECT) then
        if not level.is_array and not self:key() then return nil end
      else
        piece = false -- the container is empty
      end
    else
      piece = self:plain()
      if not piece then return nil end
    end
    if piece ~= nil then
      local found = self:behind(piece)
      if type(found) == "string" then return found, self end
      if not found then return nil end
    end
  end
end

return { of = of }
