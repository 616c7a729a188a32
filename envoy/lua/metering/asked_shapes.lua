-- Small bodies of a known shape (shapes.lua) need not be read again. The meaning that the reader (asked.lua) gave to each
-- string and number of an earlier body holds for the next one too. A body is never learned if that is uncertain: one with
-- media, tools, rows of numbers or a name that is reported twice.

local find, sub, byte = string.find, string.sub, string.byte

local tree = shapes.new()
local first, last, noted = shapes.first, shapes.last, shapes.noted
local ZERO, NINE, MINUS, QUOTE = 0x30, 0x39, 0x2D, 0x22
local SAMPLED = "sampled"

-- Reads a body as `asked` does, and notes how each of its values is used.
local Learner = {}
Learner.__index = Learner

local function learner_of(asked)
  return setmetatable({ asked = asked, values = {}, consts = {}, fits = true, stop = nil }, Learner)
end

function Learner:key(depth, from, to)
  self.asked:key(depth, from, to)
  self.stop = self.asked.stop
end

-- Whether the current name now has a reported value. A name that is reported twice cannot be learned.
local function taken(self, name, before)
  local asked = self.asked
  if name == nil or asked.name ~= nil then return nil end
  if before ~= nil then self.fits = false end
  return asked.scalars[name] and name
end

function Learner:text(depth, from, to)
  local asked = self.asked
  local name, strings = asked.name, asked.strings
  local before = name and asked.scalars[name]
  if asked:may_be_media(depth) then self.fits = false end
  asked:text(depth, from, to)
  local note = taken(self, name, before) or asked.strings > strings and SAMPLED or false
  self.values[#self.values + 1] = { from, to, true, note }
  self.stop = asked.stop
end

function Learner:scalar(depth, from, to)
  local asked = self.asked
  local name, c = asked.name, byte(asked.body, from)
  local before = name and asked.scalars[name]
  asked:scalar(depth, from, to)
  local note = taken(self, name, before) or false
  if c >= ZERO and c <= NINE or c == MINUS then
    self.values[#self.values + 1] = { from, to, false, note }
  elseif note then
    self.consts[note] = asked.scalars[note]
  end
  self.stop = asked.stop
end

function Learner:numbers(depth, count)
  self.fits = false
  self.asked:numbers(depth, count)
  self.stop = self.asked.stop
end

function Learner:opens(depth, at, is_array)
  self.asked:opens(depth, at, is_array)
  if self.asked.in_raw then self.fits = false end
  self.stop = self.asked.stop
end

function Learner:closes(depth, at)
  self.asked:closes(depth, at)
end

local function has_breaks(text)
  return find(text, "\n", 1, true) or find(text, "\r", 1, true) or find(text, "\t", 1, true)
end

-- A reader for a body of unknown shape: `asked` itself, or a learner around it.
local function reader_for(asked, text)
  return shapes.wants(tree, text) and not has_breaks(text) and learner_of(asked) or asked
end

-- Called after `reader` has read the whole body.
local function learn(reader, text)
  local asked = reader.asked
  if asked == nil or not reader.fits or asked.stop or asked.spots or asked.no_switch or asked.media_count > 0 then return end
  shapes.learn(tree, text, reader.values, {
    values = asked.values, prompts = asked.prompts, strings = asked.strings, consts = reader.consts,
  })
end

-- Whether the body has a known shape; if so, `asked` is filled from it. The caller has already excluded control characters
-- other than line ends and tabs.
local function read(asked, text)
  local result, count = shapes.match(tree, text)
  if result == nil or has_breaks(text) then return false end
  asked.values, asked.prompts, asked.strings = result.values, result.prompts, result.strings
  local scalars = asked.scalars
  for name, raw in pairs(result.consts) do scalars[name] = raw end
  for i = 1, count do
    local note = noted[i]
    if note == SAMPLED then
      sample.add(asked.text_sample, first[i], last[i])
    else
      local from, to = first[i], last[i]
      if byte(text, from - 1) == QUOTE then from, to = from - 1, to + 1 end
      scalars[note] = sub(text, from, to)
    end
  end
  return true
end

return { read = read, reader_for = reader_for, learn = learn }
