-- Shapes: what stands between the strings and numbers of a small JSON text.  Most texts are as an earlier one but for
-- these, so what a reader has found out about the places of an earlier one holds for the next, which is only compared.
--
-- They are kept as a tree: each branch is a piece of text and the kind of value that follows it, or the end of the text.
-- `other` is the next of those that may stand in its place, the newest of them first.
-- `match` says where the values of a text are and what was noted of each.  It never takes what is no JSON for some: pieces
-- are equal, a string goes to its first quote that is not escaped, a number is one.  Raw control characters in strings are
-- the caller's to exclude.  No value is kept; and how much is, and is compared, is bounded, as clients choose their texts.

local byte, find, sub = string.byte, string.find, string.sub
local string_end = json.string_end

local MAX_TEXT, MAX_PIECE, MAX_VALUES, MAX_BRANCHES = 4096, 512, 64, 8
-- Of texts that are unknown the first are learned, then one in `SELDOM`; after so many shapes all are forgotten.
local FIRST, SELDOM, MAX_SHAPES = 200, 100, 64
local MINUS, ZERO, DOT, BACKSLASH = 0x2D, 0x30, 0x2E, 0x5C

-- Of the text that was matched last.
local first, last, noted = {}, {}, {}

local function new()
  return { root = {}, shapes = 0, unknown = 0 }
end

-- The last position of the number at `at`, or nil.  What has an exponent is none; where it `matters`, nor is what has a sign.
local function number_end(text, at, matters)
  local c, to, _ = byte(text, at), nil, nil
  if c == nil or c == ZERO and find(text, "^%d", at + 1) then return nil end
  _, to = find(text, "^%d+", at)
  if matters then return to end
  if c == MINUS and not find(text, "^0%d", at + 1) then _, to = find(text, "^%d+", at + 1) end
  if to and byte(text, to + 1) == DOT then _, to = find(text, "^%d+", to + 2) end
  return to
end

-- What holds for all of this shape, and of how many of its values something was noted; nil if it is unknown.
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

-- Whether a text that is unknown is to be learned.
local function wants(tree, text)
  if #text > MAX_TEXT then return false end
  tree.unknown = tree.unknown + 1
  return tree.unknown <= FIRST or tree.unknown % SELDOM == 0
end

-- The branch of `node` for a piece of text, made if there is room; else nil.
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

-- `values`: {first, last, whether it is a string, note} each, in their order.  `result`: what holds for all of this shape.
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
