-- Ends leases: charges what was used beyond the reserve or refunds the rest, once per lease id.  A script, because finding
-- the lease, changing its budgets and removing it must be one step: then a repeated batch changes nothing.
--
-- The budgets to change are named in the lease, so they are not among KEYS; they carry the lease's hash tag and so lie in
-- its slot (unless they are another owner's, of which there are none on a cluster).
--
-- KEYS  per settlement: lease, leases zset, settled marker
-- ARGV  marker_ms (how long a direct charge is remembered); the epoch key (empty: there is none to look at); per
--       settlement: lease id,
--       kind: lease | direct (charge the whole use by the given rules, unless there is a lease after all) | release
--       (it never ran: refund everything, requests too); tokens used: input, output, cached, reasoning; what they cost,
--       -1 if that is not known; the rules as JSON (only if direct)
-- reply per settlement: 1 settled, 0 gone; or -1 alone: this store has lost its budgets, nothing was done
--
-- A rule is [key, shape, capacity, counts, and perhaps the bounds of its calendar]; `counts` as of actual.

local EPOCH_MARGIN_MS = 5000 -- the ids are by the sidecars' clocks
local marker_ms = ARGV[1]
local epoch_ms = 0
if ARGV[2] ~= '' then
  local epoch = redis.call('GET', ARGV[2])
  if not epoch then return {-1} end
  epoch_ms = tonumber(epoch) + EPOCH_MARGIN_MS
end
local arg, key = 3, 1

local input, output, cached, reasoning, cost

local function used_of(counts, reserved)
  return actual(counts, reserved, input, output, cached, reasoning, cost)
end

local function give_back_to(rule, units, at_ms)
  if units == 0 then return end
  give_back(open(rule[1], rule[2], rule[3], rule[5], rule[6], rule[7], true), units, at_ms)
end

-- Whether the shape is one of ours: of any other, no window would be known when the budget is stored.
local function known(shape)
  local letter, window = string.match(tostring(shape), '^([bfs])(.+)$')
  return letter and (letter == 'f' and not tonumber(window) or (tonumber(window) or 0) > 0)
end

-- Errors if the lease is of a version that wrote other fields.
local function end_lease(text, kind)
  local lease = cjson.decode(text)
  for _, n in ipairs(lease.missed or {}) do
    lease.reserved[n] = false
  end
  for n, rule in ipairs(lease.budgets) do
    local reserved = lease.reserved[n]
    if reserved and known(rule[2]) then
      give_back_to(rule, kind == 'release' and reserved or reserved - used_of(rule[4], reserved), lease.at_ms)
    end
  end
end

-- What was asked before the store was last restored is charged through the ledger, from which it was: never twice.
local function before_epoch(id)
  local asked_ms = epoch_ms > 0 and tonumber(string.sub(id, 1, 8) .. string.sub(id, 10, 13), 16)
  return asked_ms and asked_ms < epoch_ms
end

local function charge(rules)
  for _, rule in ipairs(cjson.decode(rules)) do
    if known(rule[2]) then give_back_to(rule, -used_of(rule[4], 1)) end
  end
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
    pcall(end_lease, text, kind) -- if it cannot be read there is nothing to refund, and the others go on
    redis.call('DEL', KEYS[key])
    redis.pcall('ZREM', KEYS[key + 1], id)
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
