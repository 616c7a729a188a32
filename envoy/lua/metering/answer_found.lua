-- Everything found in an answer so far, and how much of it the access log already has (answer_told.lua).
local sub, find = string.sub, string.find

local MAX_PAIRS, MAX_PATH, MAX_TEXT, MAX_RESULTS, MAX_KNOWN = 48, 96, 128, 1024, 1000

-- The log is updated at least this often; more often while little has been found, so that the log is never behind by more
-- than an eighth.
local EVENTS, BYTES, LEAST_BYTES = 16, 65536, 256

-- The first characters of sound in base64: an ID3 tag, MPEG frames (MP3, and AAC, which is about as long), Ogg and WebM,
-- FLAC. All other data is taken for samples, 24,000 a second of 16 bits each, raw or as WAVE.
local KINDS_OF_SOUND = {
  { "^SUQz", "sound.mp3" }, { "^//[E-Pk-v]", "sound.mp3" }, { "^T2dnUw", "sound.opus" }, { "^GkXfo", "sound.opus" },
  { "^ZkxhQ", "sound.flac" },
}
local PNG, JPEG, IMAGES = "^iVBORw", "^/9j/", "seen.images"

local Found = {}
Found.__index = Found

-- `one_document`: the answer is plain JSON, so the end of its document is the end of the answer.
-- `sums`, `usage`, `index`: these belong to the document that is being read.
local START = {
  one_document = false, changed = false, reports = 0, finished = 0,
  events = 0, text = 0, whole = 0, of_event = 0, of_whole = 0, longer = false,
  ended_how = "", marked = "", goes_on = false,
  set_events = 0, set_text = 0, set_ended = "",
  is_sound = nil, -- whether the event says that its text is sound
  sound = nil, -- the kind of sound that it is counted as; false: it is an image
  heard = nil, -- the kind of all sound so far
  pieces = 0, -- pieces of text since the event began; if there is only one: its chunk, and its place there
  piece_in = nil, piece_from = 0, piece_end = 0,
  glanced = nil, -- an answer that was reported to the log, but not read in full yet
}
for name, value in pairs(START) do Found[name] = value end

-- Most answers change few of the fields in START, so their start values are shared through the metatable.
local function new()
  return setmetatable({ paths = {}, counts = {}, strings = {} }, Found)
end

function Found:begins()
  self.sums, self.usage, self.index = nil, nil, nil
  self.ended_how = self.marked
end

-- The document is about the result `index`; false means that it is about several results.
function Found:of_result(index)
  if self.index == nil then self.index = index elseif self.index ~= index then self.index = false end
end

-- Adds up the greatest count of each result.
local function add_up(self, index)
  self.results = self.results or {}
  for path, number in pairs(self.sums) do
    local of_path = self.results[path] or { sum = 0, results = 0 }
    self.results[path] = of_path
    local best = of_path[index]
    if best == nil and of_path.results < MAX_RESULTS then best, of_path.results = 0, of_path.results + 1 end
    if best and number > best then
      of_path.sum, of_path[index] = of_path.sum + number - best, number
      self:raise(path, of_path.sum)
    end
  end
end

-- llama.cpp reports each result separately, with its timings, when it is finished; but in a plain answer it reports only the
-- first.
local function add_report(self)
  self.reports = self.reports + 1
  if self.one_document and self.finished > self.reports then
    self:raise("results.unreported", self.finished - self.reports)
  elseif self.reports <= self.finished then
    self.added = self.added or {}
    for path, number in pairs(self.usage) do
      -- Results of one prompt, whose input counts once, come without an index.
      if self.index or find(path, "completion", 1, true) then
        self.added[path] = (self.added[path] or 0) + number
        self:raise(path, self.added[path])
      end
    end
  end
end

-- Ends a document, or an array element that counts as a document.
function Found:document(whole)
  if self.is_sound then
    self:more_text("adds", self.of_event) -- text that came before the event was known to be sound
    self.of_event, self.is_sound = 0, nil
  end
  if whole and self.sums then
    if self.index then add_up(self, self.index) end
    if self.usage and self.sums["timings.predicted_n"] then add_report(self) end
  end
  self.index = nil
  if self.of_event > 0 or self.longer then self.events = self.events + 1 end
  self.text, self.of_event, self.longer = self.text + self.of_event, 0, false
  if whole and self.one_document and self.marked == "" and not self.goes_on then self.ended_how = "done" end
end

-- Whether a path can be written to the log. The same few paths come again and again, so they are remembered.
local writable, known = {}, 0
local function is_writable(path)
  local answer = writable[path]
  if answer == nil then
    answer = #path <= MAX_PATH and not find(path, "[^%w_.:-]")
    if known >= MAX_KNOWN then writable, known = {}, 0 end
    writable[path], known = answer, known + 1
  end
  return answer
end

-- Whether the count at `path` is kept.
local function is_kept(self, path)
  if self.counts[path] then return true end
  if #self.paths >= MAX_PAIRS or not is_writable(path) then return false end
  self.paths[#self.paths + 1], self.counts[path], self.changed = path, 0, true
  return true
end

-- Raises the count at `path` to `number` if it is smaller.
function Found:raise(path, number)
  if is_kept(self, path) and number > self.counts[path] then self.counts[path], self.changed = number, true end
end

-- `each`: the number belongs to one of several results, and is added up within a document, or over all documents if `each`
-- is "all".
function Found:count(path, number, each)
  if not is_kept(self, path) then return end
  if each == "all" then
    self.totals = self.totals or {}
    number = (self.totals[path] or 0) + number
    self.totals[path] = number
  elseif each then
    self.sums = self.sums or {}
    number = (self.sums[path] or 0) + number
    self.sums[path] = number
  else
    self.usage = self.usage or {}
    self.usage[path] = number
  end
  if number > self.counts[path] then self.counts[path], self.changed = number, true end
end

local function kind_of_sound(head)
  for _, kind in ipairs(KINDS_OF_SOUND) do
    if find(head, kind[1]) then return kind[2] end
  end
  return "sound.samples"
end

-- Sound or an image begins at `from`. The first piece of sound decides which kind all of the sound is.
function Found:hears(text, from)
  local head = sub(text, from, from + 5)
  if find(head, PNG) or find(head, JPEG) then
    self.sound = false
    self:raise(IMAGES, (self.counts[IMAGES] or 0) + 1)
    return
  end
  self.heard = self.heard or kind_of_sound(head)
  self.sound = self.heard
end

-- The text of this event is sound samples in base64.
function Found:sounds()
  self.is_sound, self.sound = true, self.sound or "sound.samples"
end

-- `chunk`, `from`, `close`: the place of the text, if it is in one piece.
function Found:text_of(kind, bytes, chunk, from, close)
  if kind == "adds" and not self.is_sound then
    self.of_event = self.of_event + bytes
    self.pieces = self.pieces + (chunk and 1 or 2)
    self.piece_in, self.piece_from, self.piece_end = chunk, from, close
  else
    self.pieces, self.of_whole = 2, 0
    self:more_text(kind, bytes)
  end
end

-- More of the text that `text_of` was last called for.
function Found:more_text(kind, bytes)
  if kind == "adds" and self.is_sound then kind = "sound" end
  if kind == "adds" then
    self.of_event = self.of_event + bytes
  elseif kind == "sound" then
    if self.sound then self:raise(self.sound, (self.counts[self.sound] or 0) + bytes) end
  else
    self.of_whole = self.of_whole + bytes
    if self.of_whole > self.whole then self.whole, self.longer = self.of_whole, true end
  end
end

function Found:ended(how)
  if self.marked ~= "error" then self.marked, self.ended_how = how, how end
end

-- A mark of the end, with its reason `why`; `result`: it ends only one of several results.
function Found:finish(why, result)
  if result then self.finished = self.finished + 1 end
  self:ended(#why == 5 and why:lower() == "error" and "error" or "done")
end

-- A mark that the answer has not ended yet.
function Found:unfinished()
  self.goes_on = true
end

function Found:string(name, value)
  if name == "service_tier" then self.tier = sub(value, 1, MAX_TEXT) else self.strings[name] = sub(value, 1, MAX_TEXT) end
end

-- The number of events and the bytes of text, if there is enough news for the log; otherwise nil. `last`: nothing more will
-- come.
function Found:news(last)
  local events, text = self.events + ((self.of_event > 0 or self.longer) and 1 or 0), self.text + self.of_event
  if self.whole > text then text = self.whole end
  if self.changed or self.ended_how ~= self.set_ended then return events, text end
  if events == self.set_events and text == self.set_text then return nil end
  local step = events < 8 * EVENTS and events / 8 or EVENTS
  local text_step = math.min(math.max(LEAST_BYTES, self.set_text / 8), BYTES)
  local grown = events > self.set_events and events >= self.set_events + step or text >= self.set_text + text_step
  if grown or last then return events, text end
  return nil
end

-- Copies the shared start values into `found` before many changes: own fields are quicker to read and to set.
local function expect_more(found)
  for name, value in pairs(START) do
    if rawget(found, name) == nil then found[name] = value end
  end
end

return { new = new, expect_more = expect_more, is_writable = is_writable, MAX_PAIRS = MAX_PAIRS }
