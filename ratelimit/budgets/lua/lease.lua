-- What ends a lease, in front of the scripts that do so: refunds and charges by the rules that it keeps.
--
-- The budgets to change are named in the lease, so they are not among KEYS; they carry the lease's hash tag and so lie in
-- its slot (unless they are another owner's, of which there are none on a cluster).
--
-- A rule is [key, shape, capacity, counts, and perhaps the bounds of its calendar]; `counts` as of actual.

local EPOCH_MARGIN_MS = 5000 -- lease ids are made by the sidecars' clocks
local epoch_ms = 0

-- Whether this store has lost its budgets, by its epoch key (empty: there is none to look at).
local function lost(epoch_key)
  if epoch_key == '' then return false end
  local epoch = redis.call('GET', epoch_key)
  if epoch then epoch_ms = tonumber(epoch) + EPOCH_MARGIN_MS end
  return not epoch
end

-- A request from before the last restoration was charged by that, through the ledger: never charge it twice.
local function before_epoch(id)
  local asked_ms = epoch_ms > 0 and tonumber(string.sub(id, 1, 8) .. string.sub(id, 10, 13), 16)
  return asked_ms and asked_ms < epoch_ms
end

-- What the request of this lease used.
local input, output, cached, reasoning, cost

local function used_of(counts, reserved)
  return actual(counts, reserved, input, output, cached, reasoning, cost)
end

local function give_back_to(rule, units, at_ms)
  if units == 0 then return end
  give_back(open(rule[1], rule[2], rule[3], rule[5], rule[6], rule[7], true), units, at_ms)
end

-- Whether the shape is one of ours: with any other, no window would be known when the budget is stored.
local function known(shape)
  local letter, window = string.match(tostring(shape), '^([bfs])(.+)$')
  return letter and (letter == 'f' and not tonumber(window) or (tonumber(window) or 0) > 0)
end

-- The lease with `false` for what was not reserved. Errors if it is of a version that wrote other fields.
local function without_missed(lease)
  for _, n in ipairs(lease.missed or {}) do
    lease.reserved[n] = false
  end
  return lease
end

local function read_lease(text)
  return without_missed(cjson.decode(text))
end

local function end_lease(lease, kind)
  without_missed(lease)
  for n, rule in ipairs(lease.budgets) do
    local reserved = lease.reserved[n]
    if reserved and known(rule[2]) then
      give_back_to(rule, kind == 'release' and reserved or reserved - used_of(rule[4], reserved), lease.at_ms)
    end
  end
end
