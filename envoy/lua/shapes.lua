-- Shapes: what stands between the strings and numbers of a small JSON text.  Most texts are as an earlier one but for
-- these, so what a reader has found out about the places of an earlier one holds for the next, which is only compared.
--
-- They are kept as a tree: each branch is a piece of text and the kind of value that follows it, or the end of the text.
-- `match` says where the values of a text are and what was noted of each.  It never takes what is no JSON for some: pieces
-- are equal, a string goes to its first quote that is not escaped, a number is one.  Raw control characters in strings are
-- the caller's to exclude.  No value is kept; and how much is, and is compared, is bounded, as clients choose their texts.

local byte, find, sub = string.byte, string.find, string.sub
local string_end = json.string_end

local MAX_TEXT, MAX_PIECE, MAX_VALUES, MAX_BRANCHES = 4096, 512, 64, 8
-- Of texts that are unknown the first are learned, then one in `SELDOM`; after so many shapes all are forgotten.
local FIRST, SELDOM, MAX_SHAPES = 200, 100, 64
local MINUS, ZERO, DOT = 0x2D, 0x30, 0x2E

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
  local branches, at, count = tree.root, 1, 0
  repeat
    local branch = nil
    for i = 1, #branches do
      local each = branches[i]
      if sub(text, at, at + each.size) == each.piece then
        branch = each
        break
      end
    end
    if branch == nil then return nil end
    at = at + branch.size + 1
    local close
    if branch.is_string then
      close = string_end(text, at)
      if close == nil then return nil end
      close = close - 1
    elseif branch.result then
      return at > #text and branch.result or nil, count
    else
      close = number_end(text, at, branch.note)
      if close == nil then return nil end
    end
    local note = branch.note
    if note then
      count = count + 1
      first[count], last[count], noted[count] = at, close, note
    end
    branches, at = branch.branches, close + 1
  until false
end

-- Whether a text that is unknown is to be learned.
local function wants(tree, text)
  if #text > MAX_TEXT then return false end
  tree.unknown = tree.unknown + 1
  return tree.unknown <= FIRST or tree.unknown % SELDOM == 0
end

-- The branch for a piece of text, made if there is room; else nil.
local function branch_of(branches, piece, is_string)
  for i = 1, #branches do
    if branches[i].piece == piece and branches[i].is_string == is_string then return branches[i] end
  end
  if #branches >= MAX_BRANCHES or #piece > MAX_PIECE then return nil end
  local made = { piece = piece, size = #piece - 1, is_string = is_string, branches = {} }
  branches[#branches + 1] = made
  return made
end

-- `values`: {first, last, whether it is a string, note} each, in their order.  `result`: what holds for all of this shape.
local function learn(tree, text, values, result)
  if #values > MAX_VALUES then return end
  if tree.shapes >= MAX_SHAPES then
    tree.root, tree.shapes = {}, 0
  end
  tree.shapes = tree.shapes + 1
  local branches, at = tree.root, 1
  for _, value in ipairs(values) do
    local branch = branch_of(branches, sub(text, at, value[1] - 1), value[3])
    if branch == nil then return end
    branch.note, branches, at = value[4], branch.branches, value[2] + 1
  end
  local ending = branch_of(branches, sub(text, at), nil)
  if ending then ending.result = result end
end

return { new = new, match = match, wants = wants, learn = learn, first = first, last = last, noted = noted }
