-- Decides many requests, each all-or-nothing over its budgets and its tenant's slots, and takes a lease for each that is
-- admitted.  A script, because checking and taking must be one step, and because one round trip for a whole batch is what
-- makes it cheap.  Requests of a batch are decided in order; a later one sees what an earlier one took.
--
-- A shadow limit refuses nothing: where it would have refused, nothing is taken from its budget, as if it had.
--
-- KEYS  per account: its leases zset, its budgets; then per request: its lease
-- ARGV  valid_until_ms (on Redis's clock; 0: always); lease_ms; keep_ms (how long a lease is kept beyond its deadline,
--       should nobody sweep); accounts;
--       per account: max_in_flight or -1, budgets, then per budget: shape, capacity, flags (1 shadow, 2 bounds follow),
--       and then perhaps the bounds of its calendar;
--       per request: account (from 1), lease id, lease JSON, then the cost for each budget
-- reply flat integers: now_ms; then per request: verdict, wait_ms, what each budget holds
--       now_ms alone: too late, nothing was done.  A Redis that hung finds batches in its sockets whose callers were
--       answered long ago; they must not take tokens that nobody will use.
--       verdict 0 admitted; -1 no free slot; n: the account's nth budget bound (of several, the one to wait for longest)
--       wait_ms -1: it never fits.  Of an admitted request: n, the shadow limit that would have bound, or 0

local SLOT_WAIT_MS = 1000
local valid_until_ms, lease_ms, keep_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if valid_until_ms > 0 and now_ms > valid_until_ms then return {now_ms} end

local arg, key = 5, 1

local accounts = {}
for i = 1, tonumber(ARGV[4]) do
  local account = {leases = KEYS[key], max_in_flight = tonumber(ARGV[arg])}
  key = key + 1
  local count = tonumber(ARGV[arg + 1])
  arg = arg + 2
  for n = 1, count do
    local shape, capacity, flags = ARGV[arg], tonumber(ARGV[arg + 1]), ARGV[arg + 2]
    arg = arg + 3
    local first, second, third
    if flags >= '2' then
      first, second, third = tonumber(ARGV[arg]), tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
      arg = arg + 3
    end
    local budget = open(KEYS[key], shape, capacity, first, second, third)
    account[n] = {budget = budget, key = KEYS[key], capacity = capacity, shadow = flags == '1' or flags == '3'}
    account.timed = account.timed or budget.ends
    key = key + 1
  end
  accounts[i] = account
end

local function slots_full(account)
  return account.max_in_flight >= 0
    and redis.call('ZCOUNT', account.leases, '(' .. whole(now_ms), '+inf') >= account.max_in_flight
end

local function wait_ms_for(budget, cost)
  if cost > budget.capacity then return math.huge end
  if not budget.ends then
    return math.ceil(((cost - budget.level) * budget.window_ms - budget.carry) / budget.capacity)
  end
  if not budget.sliding then return budget.ends - now_ms end
  local length, room = budget.ends - budget.starts, budget.level - cost
  if room >= 0 then return budget.ends - math.floor(room * length / budget.carry) - now_ms end
  local spent = budget.capacity - budget.level
  return budget.ends + length - math.floor((budget.capacity - cost) * length / spent) - now_ms
end

-- Verdict and wait; then the shadow limits that it missed, if any, and the one of them to wait for longest.
local function decide(account, costs)
  local verdict, longest, missed, shadow, shadow_wait = 0, -1, nil, 0, -1
  if slots_full(account) then verdict, longest = -1, SLOT_WAIT_MS end
  for n, rule in ipairs(account) do
    local budget = rule.budget
    resize(budget, rule.capacity)
    local cost = tonumber(ARGV[costs + n])
    if cost > 0 and budget.level - budget.shade < cost then
      local wait = wait_ms_for(budget, cost)
      if rule.shadow then
        missed = missed or {}
        missed[n] = true
        if wait > shadow_wait then shadow, shadow_wait = n, wait end
      elseif wait > longest then
        verdict, longest = n, wait
      end
    end
  end
  return verdict, longest, missed, shadow
end

-- The lease as it is kept: when it was made, if windows ask for that, and which budgets nothing was taken from.
local function noted(lease, account, missed)
  if account.timed then lease = string.sub(lease, 1, -2) .. ',"at_ms":' .. whole(now_ms) .. '}' end
  if not missed then return lease end
  local indexes = {}
  for n in pairs(missed) do
    indexes[#indexes + 1] = n
    account[n].budget.dirty = true -- so that it expires, counter and all
    redis.call('HINCRBY', account[n].key, 'missed', 1)
  end
  return string.sub(lease, 1, -2) .. ',"missed":' .. cjson.encode(indexes) .. '}'
end

local reply, size = {now_ms}, 1
for i = key, #KEYS do
  local account, costs = accounts[tonumber(ARGV[arg])], arg + 2
  local verdict, wait_ms, missed, shadow = decide(account, costs)
  if verdict == 0 then
    for n, rule in ipairs(account) do
      if not (missed and missed[n]) then add(rule.budget, -tonumber(ARGV[costs + n])) end
    end
    local lease = ARGV[arg + 2]
    if missed or account.timed then lease = noted(lease, account, missed) end
    redis.call('SET', KEYS[i], lease, 'PX', whole(lease_ms + keep_ms))
    redis.call('ZADD', account.leases, whole(now_ms + lease_ms), ARGV[arg + 1])
    wait_ms = shadow
  end
  reply[size + 1] = verdict
  reply[size + 2] = wait_ms == math.huge and -1 or wait_ms
  size = size + 2
  for _, rule in ipairs(account) do
    size = size + 1
    reply[size] = rule.budget.level - rule.budget.shade
  end
  arg = costs + #account + 1
end

store()
return reply
