-- A shape is the text between the strings and numbers of a small JSON text. Most texts differ from an earlier one only in
-- these values. So a reader's findings about the places in the earlier text hold for the next one, which only needs to be
-- compared.
--
-- Shapes are kept as a tree. Each branch is a piece of text with the kind of the value that follows it, or with the end of
-- the text. `other` links to the next alternative branch; the newest comes first.
-- `match` returns the positions of a text's values and the note on each. It never accepts invalid JSON: the pieces must be
-- equal, a string ends at its first unescaped quote, and a number must be a number. The caller must exclude raw control
-- characters in strings. Values are not kept. The amount that is kept and compared is bounded, since clients choose their
-- texts.

local byte, find, sub = string.byte, string.find, string.sub
local string_end = json.string_end

local MAX_TEXT, MAX_PIECE, MAX_VALUES, MAX_BRANCHES = 4096, 512, 64, 8
-- The first unknown texts are all learned, later ones one in `SELDOM`; when MAX_SHAPES are known, all are forgotten.
local FIRST, SELDOM, MAX_SHAPES = 200, 100, 64
local MINUS, ZERO, DOT, BACKSLASH = 0x2D, 0x30, 0x2E, 0x5C

-- The values of the text that was matched last.
local first, last, noted = {}, {}, {}

local function new()
  return { root = {}, shapes = 0, unknown = 0 }
end

-- The last position of the number at `at`, or nil. A number with an exponent is rejected; if the value `matters`, so is one
-- with a sign.
local function number_end(text, at, matters)
  local c, to, _ = byte(text, at), nil, nil
  if c == nil or c == ZERO and find(text, "^%d", at + 1) then return nil end
  _, to = find(text, "^%d+", at)
  if matters then return to end
  if c == MINUS and not find(text, "^0%d", at + 1) then _, to = find(text, "^%d+", at + 1) end
  if to and byte(text, to + 1) == DOT then _, to = find(text, "^%d+", to + 2) end
  return to
end

-- The result noted for the whole shape, and how many of its values have a note; nil if the shape is unknown.
local function match(tree, text)
  local branch, at, count = tree.root.branch, 1, 0
  while branch do
    local behind = at + branch.size
    if sub(text, at, behind - 1) ~= branch.piece then
      branch = branch.other
    else
      local close
      if branch.is_string then
        close = find(text, '"', behind, true)
        if close and byte(text, close - 1) == BACKSLASH then close = string_end(text, behind) end
        if close == nil then return nil end
        close = close - 1
      elseif branch.result then
        return behind > #text and branch.result or nil, count
      else
        close = number_end(text, behind, branch.note)
        if close == nil then return nil end
      end
      local note = branch.note
      if note then
        count = count + 1
        first[count], last[count], noted[count] = behind, close, note
      end
      branch, at = branch.branch, close + 1
    end
  end
  return nil
end

-- Whether an unknown text should be learned.
local function wants(tree, text)
  if #text > MAX_TEXT then return false end
  tree.unknown = tree.unknown + 1
  return tree.unknown <= FIRST or tree.unknown % SELDOM == 0
end

-- The branch of `node` for a piece of text; it is created if there is room, otherwise nil.
local function branch_of(node, piece, is_string)
  local branch, count = node.branch, 0
  while branch do
    if branch.piece == piece and branch.is_string == is_string then return branch end
    branch, count = branch.other, count + 1
  end
  if count >= MAX_BRANCHES or #piece > MAX_PIECE then return nil end
  node.branch = { piece = piece, size = #piece, is_string = is_string, branch = nil, other = node.branch }
  return node.branch
end

-- `values`: for each value in order {first, last, whether it is a string, note}. `result`: what holds for the whole shape.
local function learn(tree, text, values, result)
  if #values > MAX_VALUES then return end
  if tree.shapes >= MAX_SHAPES then
    tree.root, tree.shapes = {}, 0
  end
  tree.shapes = tree.shapes + 1
  local node, at = tree.root, 1
  for _, value in ipairs(values) do
    local branch = branch_of(node, sub(text, at, value[1] - 1), value[3])
    if branch == nil then return end
    branch.note, node, at = value[4], branch, value[2] + 1
  end
  local ending = branch_of(node, sub(text, at), nil)
  if ending then ending.result = result end
end

return { new = new, match = match, wants = wants, learn = learn, first = first, last = last, noted = noted }
