-- Scans the JSON of an answer as it arrives, in spans cut anywhere, and notes the places that answer_fields.lua names.
--
-- No text is kept: irrelevant parts are skipped with plain searches for quotes and brackets. Only a key, a number or a short
-- string that is cut by the end of a span is carried over (`carry`). The scan is not a validator: commas, colons and white
-- space are skipped alike. Findings go to `found` (answer_found.lua); while a shape is learned (answer_shapes.lua), strings
-- and numbers go to `scan.note` instead.
local byte, sub = string.byte, string.sub
local fields = answer_fields
local string_end, ends_escaped = answer_text.string_end, answer_text.ends_escaped
local text_bytes, next_mark, after_comma = answer_text.text_bytes, answer_text.next_mark, answer_text.after_comma
local on_string, on_number, on_scalar = answer_values.on_string, answer_values.on_number, answer_values.on_scalar

local QUOTE, OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY = 0x22, 0x7B, 0x7D, 0x5B, 0x5D
local SPACE, COLON = 0x20, 0x3A
local scanning = answer_scan
local KEY, VALUE, STRING, SKIP, BROKEN = scanning.KEY, scanning.VALUE, scanning.STRING, scanning.SKIP, scanning.BROKEN
local after_value, push, pop = scanning.after_value, scanning.push, scanning.pop
-- Keys, numbers and ids that are read are never longer than MAX_TOKEN.
local MAX_TOKEN, MAX_DEPTH, MAX_LEVELS_OF_COUNTS = 128, 16, 3

local BLANK, SCALAR = {}, {}
for c = 0, 255 do
  BLANK[c] = string.char(c):find("[ \t\n\r,:]") ~= nil
  SCALAR[c] = c < 0x80 and string.char(c):find("[%w.+-]") ~= nil
end

local function on_key(scan, name)
  local outside = scan.nodes[scan.depth]
  local node = outside.kids and outside.kids[name]
  if node == nil and outside.any and scan.levels[scan.depth] < MAX_LEVELS_OF_COUNTS then
    node = fields.any
    scan.path = scan.paths[scan.depth] .. "." .. name
  end
  scan.node, scan.key = node, name
  if node and node.one then scan.found:count(node.path, 1, true) end
  scan.state = VALUE
end

-- Begins the string at the quote `at`. Returns the next position, or nil if the span ends first.
local function begin_string(scan, text, at, last)
  local node = scan.node
  local close = string_end(text, at + 1, last)
  if scan.note and close then
    scan:note(text, node, at + 1, close - 1, true)
  elseif node == nil then
    if close == nil then
      scan.state, scan.measure, scan.escaped = STRING, nil, ends_escaped(text, at + 1, last)
      return nil
    end
  else
    if node.text then
      if node.text == "sound" then scan.found:hears(text, at + 1) end
      if close == nil then
        scan.found:text_of(node.text, text_bytes(text, at + 1, last))
        scan.state, scan.measure, scan.escaped = STRING, node.text, ends_escaped(text, at + 1, last)
        if node.done then scan.found:ended("done") end
        return nil
      end
      scan.found:text_of(node.text, text_bytes(text, at + 1, close - 1), text, at + 1, close)
      if node.done then scan.found:ended("done") end
    elseif close then
      if close - at <= MAX_TOKEN then on_string(scan, node, sub(text, at + 1, close - 1)) end
    elseif last - at < MAX_TOKEN then
      scan.carry = sub(text, at, last)
      return nil
    else
      scan.state, scan.measure, scan.escaped = STRING, nil, ends_escaped(text, at + 1, last)
      return nil
    end
  end
  after_value(scan)
  return after_comma(text, close + 1)
end

-- Continues a string that began in an earlier span.
local function go_on_string(scan, text, at, last)
  local from = scan.escaped and at + 1 or at
  local close = string_end(text, from, last)
  if scan.measure then scan.found:more_text(scan.measure, text_bytes(text, from, (close or last + 1) - 1)) end
  if close == nil then
    scan.escaped = from <= last and ends_escaped(text, from, last)
    return nil
  end
  scan.escaped = false
  if scan.skip > 0 then scan.state = SKIP else after_value(scan) end
  return close + 1
end

-- Skips a value that is not read; `skip` counts its open brackets.
local function skip_value(scan, text, at, last)
  local from = at
  while true do
    local mark = next_mark(text, at)
    if mark > last then
      if scan.measure then scan.found:text_of(scan.measure, last - from + 1) end
      return nil
    end
    local c = byte(text, mark)
    if c == QUOTE then
      local close = string_end(text, mark + 1, last)
      if close == nil then
        if scan.measure then scan.found:text_of(scan.measure, last - from + 1) end
        scan.state, scan.escaped = STRING, ends_escaped(text, mark + 1, last)
        return nil
      end
      at = close + 1
    else
      if c == OPEN_OBJECT or c == OPEN_ARRAY then
        scan.skip = scan.skip + 1
      else
        scan.skip = scan.skip - 1
        if scan.skip == 0 then
          if scan.measure then scan.found:text_of(scan.measure, mark - from + 1) end
          after_value(scan)
          return mark + 1
        end
      end
      at = mark + 1
    end
  end
end

local function begin_composite(scan, is_object)
  local node = scan.node
  if node and (node.error or node.done) and is_object then
    scan.found:ended(node.error and "error" or "done")
    node = nil
  end
  local inner = node and (node.kids or node.any or not is_object)
  if inner and scan.depth < MAX_DEPTH then return push(scan, node, is_object) end
  scan.state, scan.skip, scan.measure = SKIP, 1, node and node.text or nil
end

-- Returns the number whose digits begin at `at`, and the position and character behind them.
local function digits_at(text, at, last)
  local number, c = 0, byte(text, at)
  repeat
    number, at = number * 10 + c - 0x30, at + 1
    c = byte(text, at) or 0
  until at > last or c < 0x30 or c > 0x39
  return number, at, c
end

local function word_end(text, at, last)
  repeat
    at = at + 1
  until at > last or not SCALAR[byte(text, at)]
  return at
end

-- Begins the number, true, false or null at `at`.
local function begin_scalar(scan, text, at, last)
  local after, number, c, digits = at, 0, byte(text, at), false
  if c >= 0x30 and c <= 0x39 then
    number, after, c = digits_at(text, at, last)
    digits = not SCALAR[c]
  end
  if after <= last and SCALAR[c] then after = word_end(text, after, last) end
  if after == at or after - at > MAX_TOKEN then
    scan.state = BROKEN
    return nil
  end
  if after > last then
    scan.carry = sub(text, at, last)
    return nil
  end
  local node = scan.node
  if scan.note and (digits or not node) then
    scan:note(text, node, at, after - 1, false)
  elseif node and not digits then
    on_scalar(scan, node, sub(text, at, after - 1))
  elseif node and after - at <= answer_values.MAX_DIGITS then
    on_number(scan, node, number)
  end
  after_value(scan)
  return after_comma(text, after)
end

local function begin_key(scan, text, at, last)
  local close = string_end(text, at + 1, last)
  if close then
    on_key(scan, close - at <= MAX_TOKEN and sub(text, at + 1, close - 1) or "")
    if byte(text, close + 1) ~= COLON then return close + 1 end
    return byte(text, close + 2) == SPACE and close + 3 or close + 2
  end
  if last - at < MAX_TOKEN then scan.carry = sub(text, at, last) else scan.state = BROKEN end
  return nil
end

-- Scans one span, without regard to anything carried over.
local function go(scan, text, at, last)
  while at and at <= last do
    local state = scan.state
    if state == SKIP then
      at = skip_value(scan, text, at, last)
    elseif state == STRING then
      at = go_on_string(scan, text, at, last)
    elseif state == BROKEN then
      return
    else
      local c = byte(text, at)
      if c == QUOTE then
        if state == KEY then at = begin_key(scan, text, at, last) else at = begin_string(scan, text, at, last) end
      elseif BLANK[c] then
        at = at + 1
      elseif c == CLOSE_OBJECT or c == CLOSE_ARRAY then
        pop(scan)
        at = after_comma(text, at + 1)
      elseif state == KEY then
        scan.state = BROKEN
      elseif c == OPEN_OBJECT or c == OPEN_ARRAY then
        if scan.depth == 0 then scan.found:begins() end
        begin_composite(scan, c == OPEN_OBJECT)
        at = at + 1
      else
        at = begin_scalar(scan, text, at, last)
      end
    end
  end
end

-- Scans the next span of the answer's JSON.
local function feed(scan, text, at, last)
  while scan.carry and at <= last do
    local joined = scan.carry .. sub(text, at, at + MAX_TOKEN < last and at + MAX_TOKEN or last)
    scan.carry, at = nil, at + MAX_TOKEN + 1
    go(scan, joined, 1, #joined)
  end
  if at <= last then go(scan, text, at, last) end
end

return { feed = feed }
