-- Ends leases: charges what was used beyond the reserve or refunds the rest, once per lease id.  A script, because finding
-- the lease, changing its budgets and removing it must be one step: then a repeated batch changes nothing.
--
-- KEYS  per settlement: lease, leases zset, settled marker
-- ARGV  marker_ms (how long a direct charge is remembered); the epoch key (empty: there is none to look at); per
--       settlement: lease id,
--       kind: lease | direct (charge the whole use by the given rules, unless there is a lease after all) | release
--       (it never ran: refund everything, requests too); tokens used: input, output, cached, reasoning; what they cost,
--       -1 if that is not known; the rules as JSON (only if direct)
-- reply per settlement: 1 settled, 0 gone; or -1 alone: this store has lost its budgets, nothing was done

local marker_ms = ARGV[1]
if lost(ARGV[2]) then return {-1} end
local arg, key = 3, 1

local function charge(rules)
  for _, rule in ipairs(cjson.decode(rules)) do
    if known(rule[2]) then give_back_to(rule, -used_of(rule[4], 1)) end
  end
end

-- A part of the owner's leases may have a bound of its own, and then a zset (part_key in keys.py).
local function leave_part(leases, lease, id)
  local part = lease.key_id
  if type(part) == 'string' and part ~= '' then redis.call('ZREM', string.gsub(leases, ':leases:', ':part:', 1) .. ':' .. part, id) end
end

local reply = {}
while arg <= #ARGV do
  local id, kind = ARGV[arg], ARGV[arg + 1]
  input, output, cached, reasoning =
    tonumber(ARGV[arg + 2]), tonumber(ARGV[arg + 3]), tonumber(ARGV[arg + 4]), tonumber(ARGV[arg + 5])
  cost = tonumber(ARGV[arg + 6])
  local text = redis.pcall('GET', KEYS[key])
  local first = kind ~= 'direct' or redis.call('SET', KEYS[key + 2], '1', 'NX', 'PX', marker_ms)
  local settled = 0
  if first and text then
    local _, lease = pcall(cjson.decode, text)
    pcall(end_lease, lease, kind) -- if it cannot be read there is nothing to refund, and the others go on
    redis.call('DEL', KEYS[key])
    redis.pcall('ZREM', KEYS[key + 1], id)
    pcall(leave_part, KEYS[key + 1], lease, id)
    settled = 1
  elseif first and kind == 'direct' and not before_epoch(id) then
    pcall(charge, ARGV[arg + 7])
    settled = 1
  end
  reply[#reply + 1] = settled
  key = key + 3
  arg = arg + 8
end

store()
return reply
