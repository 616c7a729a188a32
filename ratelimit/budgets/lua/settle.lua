-- Ends leases: charges what was used beyond the reserve or refunds the rest, once per lease id.  A script, because finding
-- the lease, changing its budgets and removing it must be one step: then a repeated batch changes nothing.
--
-- The budgets to change are named in the lease, so they are not among KEYS; they carry the lease's hash tag and so lie in
-- its slot (those of a group do not, and there are none on a cluster).
--
-- KEYS  per settlement: lease, leases zset, settled marker
-- ARGV  marker_ms (how long a direct charge is remembered); per settlement: lease id,
--       kind: lease | direct (charge the whole use to the given meters, unless there is a lease after all) | release
--       (it never ran: refund everything, requests too); tokens used: input, output, cached, reasoning; the meters as
--       JSON (only if direct)
-- reply per settlement: 1 settled, 0 gone
--
-- A meter is [key, shape, capacity, counts, and perhaps the bounds of its calendar].  `counts`: 0 nothing (a request
-- stays one); 1 input and output; else the weights of input, output, cached and reasoning tokens in millionths.

local marker_ms = ARGV[1]
local arg, key = 2, 1

local function actual(counts, reserved)
  local input, output = tonumber(ARGV[arg + 2]), tonumber(ARGV[arg + 3])
  if counts == 1 then return input + output end
  if counts == 0 then return reserved end
  local sum = counts[1] * input + counts[2] * output + counts[3] * tonumber(ARGV[arg + 4])
    + counts[4] * tonumber(ARGV[arg + 5])
  return math.max(0, math.ceil(sum / 1000000))
end

-- Refunds (or, below zero, charges) what was reserved at `at_ms`: in the window that it was reserved in.
local function give_back(meter, units, at_ms)
  if units == 0 then return end
  local budget = open(meter[1], meter[2], meter[3], meter[5], meter[6], meter[7], true)
  if not budget.ends or not at_ms or at_ms >= budget.starts then
    add(budget, units)
  elseif budget.sliding and at_ms >= 2 * budget.starts - budget.ends then
    budget.carry = math.max(0, budget.carry - units)
    budget.dirty = true
  end
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
  for n, meter in ipairs(lease.budgets) do
    local reserved = lease.reserved[n]
    if reserved and known(meter[2]) then
      give_back(meter, kind == 'release' and reserved or reserved - actual(meter[4], reserved), lease.at_ms)
    end
  end
end

local reply = {}
while arg <= #ARGV do
  local id, kind = ARGV[arg], ARGV[arg + 1]
  local text = redis.call('GET', KEYS[key])
  local first = kind ~= 'direct' or redis.call('SET', KEYS[key + 2], '1', 'NX', 'PX', marker_ms)
  local settled = 0
  if first and text then
    pcall(end_lease, text, kind) -- if it cannot be read there is nothing to refund, and the others go on
    redis.call('DEL', KEYS[key])
    redis.call('ZREM', KEYS[key + 1], id)
    settled = 1
  elseif first and kind == 'direct' then
    for _, meter in ipairs(cjson.decode(ARGV[arg + 6])) do
      give_back(meter, -actual(meter[4], 1))
    end
    settled = 1
  end
  reply[#reply + 1] = settled
  key = key + 3
  arg = arg + 7
end

store()
return reply
