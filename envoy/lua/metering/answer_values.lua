-- The meaning of a string, a number, true or false at its place in an answer's JSON (answer_fields.lua). `scan` is a scan of
-- answer_json.lua.
local fields = answer_fields
local MAX_DIGITS = 15 -- a longer number is no count

-- Whether the key that was read last names the kind of the counts around it: "any", "element" or nil.
local function names_kind(scan, node)
  local depth = scan.depth
  local kind = node.any and scan.objects[depth] and fields.kinds[scan.key]
  if kind == "element" and scan.objects[depth - 1] ~= false then return nil end
  return kind
end

local function on_string(scan, node, value)
  if node.ends then
    local how = fields.ends[value]
    if how then scan.found:ended(how) elseif fields.sounds[value] then scan.found:sounds() end
  elseif node.done then
    if value ~= "" then scan.found:finish(value, node.finish) end
  elseif node.error then
    if value ~= "" then scan.found:ended("error") end
  elseif node.take then
    scan.found:string(node.take, value)
  else
    local kind = names_kind(scan, node)
    if kind then
      local pending = scan.pending[scan.depth] or {}
      pending.kind, pending.adds = value, kind == "element"
      scan.pending[scan.depth] = pending
    end
  end
end

local function on_number(scan, node, number)
  if not (node.number or node.index) or not scan.objects[scan.depth] then return end
  if node.index then
    scan.found:of_result(number)
  elseif node == fields.any then
    local pending = scan.pending[scan.depth] or {}
    pending[#pending + 1], pending[#pending + 2] = scan.key, number
    scan.pending[scan.depth] = pending
  else
    scan.found:count(node.path, number, node.each)
  end
end

-- Handles every scalar that is not only digits.
local function on_scalar(scan, node, value)
  if value == "true" then
    if node.done then scan.found:ended("done") end
    if node.error then scan.found:ended("error") end
  elseif value == "false" then
    if node.done then scan.found:unfinished() end
  elseif #value <= MAX_DIGITS then
    local digits = value:match("^(%d+)%.0+$")
    if digits then on_number(scan, node, tonumber(digits)) end
  end
end

return {
  on_string = on_string, on_number = on_number, on_scalar = on_scalar, names_kind = names_kind, MAX_DIGITS = MAX_DIGITS,
}
