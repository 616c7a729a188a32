-- The state of a scan of an answer's JSON (answer_json.lua): its depth, and for each level its place in answer_fields.lua.
local fields = answer_fields

local KEY, VALUE, STRING, SKIP, BROKEN = 1, 2, 3, 4, 5 -- the next expected item, or the item that the scan is inside

local idle, MAX_IDLE = {}, 64

local function new(found)
  local scan = table.remove(idle)
  if scan then
    scan.found = found
    return scan
  end
  return { found = found, state = VALUE, depth = 0, nodes = {}, objects = {}, paths = {}, levels = {}, each = {},
           pending = {}, node = fields.root, skip = 0, escaped = false, carry = nil }
end

-- Forgets a document that did not end.
local function reset(scan)
  scan.state, scan.depth, scan.node, scan.carry, scan.escaped = VALUE, 0, fields.root, nil, false
end

-- Frees the scan of an answer that has been read to its end, for reuse by the next answer.
local function release(scan)
  if #idle >= MAX_IDLE then return end
  reset(scan)
  scan.found, scan.skip, scan.measure = nil, 0, nil
  if next(scan.pending) then scan.pending = {} end
  idle[#idle + 1] = scan
end

-- Called when a value has ended inside the current object or array, or at the root.
local function after_value(scan)
  local depth = scan.depth
  if depth == 0 then
    scan.node = fields.root
    scan.found:document(true)
    scan.state = VALUE
  else
    scan.node = scan.nodes[depth]
    if depth == 1 and not scan.objects[1] then scan.found:document(false) end
    scan.state = scan.objects[depth] and KEY or VALUE
  end
end

local function push(scan, node, is_object)
  local depth = scan.depth + 1
  scan.depth, scan.nodes[depth], scan.objects[depth], scan.node = depth, node, is_object, node
  local any = node.any
  if any then
    local outside = scan.nodes[depth - 1]
    local inside = outside ~= nil and outside.any
    scan.levels[depth] = inside and scan.levels[depth - 1] + (is_object and 1 or 0) or 0
    scan.each[depth] = inside and scan.each[depth - 1] or node.each
    if not inside then
      scan.paths[depth] = node.path
    else
      scan.paths[depth] = scan.objects[depth - 1] and scan.path or scan.paths[depth - 1]
    end
    if is_object then scan.pending[depth] = nil end
  end
  scan.state = is_object and KEY or VALUE
end

-- An object's counts are reported when it ends, with the kind that it names.
local function tell_counts(scan, pending, path, each)
  if pending.kind then path, each = path .. "." .. pending.kind, each or pending.adds end
  for i = 1, #pending, 2 do scan.found:count(path .. "." .. pending[i], pending[i + 1], each) end
end

local function pop(scan)
  local depth = scan.depth
  if depth == 0 then
    scan.state = BROKEN
    return
  end
  local pending = scan.pending[depth]
  if pending and scan.objects[depth] then
    tell_counts(scan, pending, scan.paths[depth], scan.each[depth])
    scan.pending[depth] = nil
  end
  scan.depth = depth - 1
  after_value(scan)
end

-- Whether the scan is between two documents, with nothing carried over.
local function is_idle(scan)
  return scan.depth == 0 and scan.state == VALUE and scan.carry == nil
end

return {
  new = new, release = release, reset = reset, is_idle = is_idle, after_value = after_value, push = push, pop = pop,
  KEY = KEY, VALUE = VALUE, STRING = STRING, SKIP = SKIP, BROKEN = BROKEN,
}
