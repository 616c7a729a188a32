-- Small answers of a known shape: a whole JSON document in one chunk that differs from an earlier one only in its strings
-- and numbers. The meaning that answer_json.lua gave to each of these holds for the next answer too. An answer is never
-- learned if other parts of it matter as well: `true`, a key, or an element that names its kind.

local byte, sub, concat = string.byte, string.sub, table.concat
local fields, on_string, MAX_DIGITS = answer_fields, answer_values.on_string, answer_values.MAX_DIGITS
local text_bytes = answer_text.text_bytes
local is_writable, MAX_PAIRS = answer_found.is_writable, answer_found.MAX_PAIRS

local MAX_TOKEN = 128 -- as answer_json.lua has it
local OPEN_OBJECT, ZERO, NINE = 0x7B, 0x30, 0x39
local UNTOLD = { id = true, model = true } -- alone, these are not reported

local tree = shapes.new()
local first, last, noted = shapes.first, shapes.last, shapes.noted

-- Takes the place of `found` (answer_found.lua) while a shape is learned. It is not called for strings and numbers; so any
-- call means that the answer says more than these.
local Probe = {}
Probe.__index = Probe

function Probe:begins() end

function Probe:document(whole)
  self.documents = self.documents + (whole and 1 or 2)
end

local function unfit(self)
  self.documents = 2
end

for _, name in ipairs({ "count", "of_result", "text_of", "more_text", "ended", "finish", "unfinished", "string" }) do
  Probe[name] = unfit
end

local function of_string(scan, node)
  if node.text then return { text = node.text, done = node.done } end
  if node.ends or node.done or node.error or node.take then return { node = node, ends = node.done } end
  if answer_values.names_kind(scan, node) then scan.found:count() end
  return false
end

local function of_number(scan, node)
  if not (node.number or node.index) or not scan.objects[scan.depth] then return false end
  if node.index then return { index = true } end
  local path, each = node.path, node.each
  if node == fields.any then path, each = scan.paths[scan.depth] .. "." .. scan.key, scan.each[scan.depth] end
  return { path = path, each = each, ahead = " " .. path .. "=" }
end

local function note(scan, text, node, from, to, is_string)
  local c = byte(text, from)
  if is_string then
    scan.values[#scan.values + 1] = { from, to, true, node ~= nil and of_string(scan, node) }
  elseif c >= ZERO and c <= NINE then
    scan.values[#scan.values + 1] = { from, to, false, node ~= nil and of_number(scan, node) }
  end
end

-- Whether answers of a shape report only single counts, text that adds up, and a mark of the end.
local function is_usual(values)
  local seen, counts = {}, 0
  for _, value in ipairs(values) do
    local what = value[4]
    local path, node = what and what.path, what and what.node
    if path then
      if what.each or seen[path] or not is_writable(path) then return false end
      seen[path], counts = true, counts + 1
    elseif node then
      if node.ends or not (node.done or UNTOLD[node.take]) then return false end
    elseif what and what.text and (what.text ~= "adds" or what.done) then
      return false
    end
  end
  return counts > 1 and counts <= MAX_PAIRS -- with a single count, headers may hold more
end

local function learn(text)
  if byte(text, 1) ~= OPEN_OBJECT or not shapes.wants(tree, text) then return end
  local probe, values = setmetatable({ documents = 0 }, Probe), {}
  local scan = answer_scan.new(probe)
  scan.note, scan.values = note, values
  answer_json.feed(scan, text, 1, #text)
  local fits = answer_scan.is_idle(scan) and probe.documents == 1
  scan.note, scan.values = nil, nil
  answer_scan.release(scan)
  if fits then shapes.learn(tree, text, values, { usual = is_usual(values) }) end
end

local function take(found, text, what, from, to)
  if what.path then
    if to - from < MAX_DIGITS then found:count(what.path, tonumber(sub(text, from, to)), what.each) end
  elseif what.text then
    if what.text == "sound" then found:hears(text, from) end
    found:text_of(what.text, text_bytes(text, from, to))
    if what.done then found:ended("done") end
  elseif what.index then
    if to - from < MAX_DIGITS then found:of_result(tonumber(sub(text, from, to))) end
  elseif to - from + 2 <= MAX_TOKEN then
    on_string({ found = found }, what.node, sub(text, from, to))
  end
end

-- Whether `text` is an answer of a known shape; if so, its values are put into `found`.
local function read(text, found)
  local result, count = shapes.match(tree, text)
  if not result then return false end
  found.one_document = true
  found:begins()
  for i = 1, count do take(found, text, noted[i], first[i], last[i]) end
  found:document(true)
  return true
end

local told = {} -- the pieces of the string

-- The usage that answer_told.lua would report for `text` once it is read, and how the answer ended; nil if its shape is not
-- known and usual.
local function glance(text)
  local result, count = shapes.match(tree, text)
  if not result or not result.usual then return nil end
  local size, ended, pieces = 0, "done", 1
  for i = 1, count do
    local what = noted[i]
    local ahead, from, to = what.ahead, first[i], last[i]
    if ahead then
      if to - from >= MAX_DIGITS then return nil end
      told[pieces + 1], told[pieces + 2], pieces = ahead, sub(text, from, to), pieces + 2
    elseif what.text then
      size = size + text_bytes(text, from, to)
    elseif what.ends and to - from == 4 and sub(text, from, to):lower() == "error" then
      ended = "error"
    end
  end
  told[1] = (size > 0 and "1," or "0,") .. digits.spelled(size) .. "," .. ended
  return concat(told, "", 1, pieces), ended
end

return { read = read, learn = learn, glance = glance }
