-- Identifies this Envoy process by 4 hex digits: the same in all workers of a process, and in two processes only by
-- coincidence. Each worker loads its scripts separately, so the digits are made from values that all threads of a process
-- share: its start time and the address of its stack.

local UNKNOWN = "0000"
local MOST = 65521 -- the largest prime below 16^4
local START_TIME, START_STACK = 20, 26 -- fields of /proc/self/stat, counted from behind the process name

local function text_of(path)
  local file = io.open(path, "rb")
  if not file then return "" end
  local text = file:read(4096)
  file:close()
  return text or ""
end

local function hash_of(text)
  local hash = 0
  for i = 1, #text do hash = (hash * 257 + string.byte(text, i)) % MOST end
  return hash
end

local function instance()
  local stat = text_of("/proc/self/stat")
  local id, rest = string.match(stat, "^(%d+) .*%) (.*)$")
  if not id then return UNKNOWN end
  local fields = {}
  for field in string.gmatch(rest, "%S+") do fields[#fields + 1] = field end
  local machine = text_of("/proc/sys/kernel/random/boot_id") .. text_of("/proc/sys/kernel/hostname")
  local process = table.concat({ id, fields[START_TIME] or "", fields[START_STACK] or "" }, " ")
  return string.format("%04x", hash_of(machine .. process) % (MOST - 1) + 1)
end

return { ID = instance() }
