-- Decides many requests, each all-or-nothing over the budgets of its rules and the leases of its owner, and takes a lease for
-- each that is admitted, if its rules take any.  A script, because checking and taking must be one step, and because one
-- round trip for a whole batch is what makes it cheap.  Requests of a batch are decided in order; a later one sees what an
-- earlier one took.
--
-- Without a lease_ms it only looks: it says what it would decide, and takes nothing.
--
-- A shadow rule refuses nothing: where it would have refused, nothing is taken from its budget, as if it had.
--
-- A part of an owner's leases may have a bound of its own.  From then on they are in a zset of their own too, which is
-- made from the others, and cleared of what has expired with each lease that is added.
--
-- KEYS  per rule set: its leases zset (if it takes leases), that of the part (if they are of one), its budgets; then per
--       request that takes a lease: its lease
-- ARGV  valid_until_ms (on Redis's clock; 0: always); lease_ms; keep_ms (how long a lease is kept beyond its deadline,
--       should nobody sweep); rule sets; the epoch key (empty: there is none to look at);
--       per rule set: leases at most, -1 any number, empty if it takes none; leases of the part at most, -1 any
--       number, empty if they are of none, and the member that they keep, as JSON; rules; then per rule: shape, capacity, flags
--       (1 shadow, 2 bounds follow), and then perhaps the bounds of its calendar;
--       per request: rule set (from 1); if that takes leases: lease id, lease JSON; then the cost by each rule
-- reply flat integers: now_ms; then per request: verdict, wait_ms, what the budget of each rule holds
--       now_ms alone: too late, nothing was done.  A Redis that hung finds batches in its sockets whose callers were
--       answered long ago; they must not take tokens that nobody will use.
--       now_ms and -1: this store has lost its budgets, nothing was done.  An absent budget is a full one, so in a store
--       without an epoch every used-up month would be full again.
--       verdict 0 admitted; -1 too many leases; -3 too many of its part; -2 not decided, since what it needs cannot be read; n: the nth rule bound (of several, the one to wait for longest)
--       wait_ms -1: it never fits.  Of an admitted request: n, the shadow rule that would have bound, or 0

local MOST_WAIT_MS = 1e15 -- longest wait that is reported: beyond, it would not be exact, and Redis reads no more than 2^63
local LEASE_WAIT_MS = 1000 -- when a lease ends is unknown: ask again in a second
local valid_until_ms, lease_ms, keep_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if valid_until_ms > 0 and now_ms > valid_until_ms then return {now_ms} end
if ARGV[5] ~= '' and redis.call('EXISTS', ARGV[5]) == 0 then return {now_ms, -1} end

local arg, key = 6, 1
local MOST_GATHERED = 1000 -- leases looked at when a part gets its own zset
local PART_MS = 86400000 -- how long a part is remembered after its last lease

-- Makes the zset of a part from the owner's leases that were taken before it had a bound. The member '' says that this was
-- done.
local function part_of(set, part, member)
  if redis.call('EXISTS', part) == 1 then
    set.part = part
    return
  end
  if set.most_of_part < 0 then return end
  set.part = part
  local prefix = string.gsub(set.leases, ':leases:', ':lease:', 1) .. ':'
  redis.call('ZADD', set.part, -1, '')
  redis.call('PEXPIRE', set.part, PART_MS)
  local found = redis.pcall('ZRANGEBYSCORE', set.leases, '(' .. whole(now_ms), '+inf', 'WITHSCORES', 'LIMIT', 0, MOST_GATHERED)
  for i = 1, #found, 2 do
    local lease = redis.pcall('GET', prefix .. found[i])
    if type(lease) == 'string' and string.find(lease, member, 1, true) then
      redis.call('ZADD', set.part, found[i + 1], found[i])
    end
  end
end

local sets = {}
for i = 1, tonumber(ARGV[4]) do
  local set = {most = tonumber(ARGV[arg])}
  if set.most then
    set.leases, set.most_of_part = KEYS[key], tonumber(ARGV[arg + 1])
    key = key + 1
    if set.most_of_part then
      part_of(set, KEYS[key], ARGV[arg + 2])
      key = key + 1
    end
  end
  local count = tonumber(ARGV[arg + 3])
  arg = arg + 4
  for n = 1, count do
    local shape, capacity, flags = ARGV[arg], tonumber(ARGV[arg + 1]), ARGV[arg + 2]
    arg = arg + 3
    local first, second, third
    if flags >= '2' then
      first, second, third = tonumber(ARGV[arg]), tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
      arg = arg + 3
    end
    local budget = open(KEYS[key], shape, capacity, first, second, third)
    set[n] = {budget = budget, key = KEYS[key], capacity = capacity, shadow = flags == '1' or flags == '3'}
    set.timed = set.timed or budget.ends
    key = key + 1
  end
  sets[i] = set
end

-- The number of leases, if there is a bound on it; a table if it cannot be read.
local function leases_of(set)
  if not set.leases or set.most < 0 then return -1 end
  return redis.pcall('ZCOUNT', set.leases, '(' .. whole(now_ms), '+inf')
end

local function no_room_in_part(set)
  if not set.part or set.most_of_part < 0 then return false end
  return redis.call('ZCOUNT', set.part, '(' .. whole(now_ms), '+inf') >= set.most_of_part
end

local function needs_unreadable(set, leases)
  for _, rule in ipairs(set) do
    if rule.budget.unreadable and not rule.shadow then return true end
  end
  return type(leases) ~= 'number'
end

-- Verdict and wait; then the shadow rules that it missed, if any, and the one of them to wait for longest.
local function decide(set, costs)
  local verdict, longest, missed, shadow, shadow_wait = 0, -1, nil, 0, -1
  local leases = leases_of(set)
  if needs_unreadable(set, leases) then return -2, -1 end
  if leases >= 0 and leases >= set.most then
    verdict, longest = -1, LEASE_WAIT_MS
  elseif no_room_in_part(set) then
    verdict, longest = -3, LEASE_WAIT_MS
  end
  for n, rule in ipairs(set) do
    local budget = rule.budget
    resize(budget, rule.capacity)
    local cost = tonumber(ARGV[costs + n])
    if cost > 0 and not budget.unreadable and budget.level - budget.shade < cost then
      local wait = wait_ms(budget, cost)
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

-- Counts the rules from which nothing was taken; their indexes.
local function note_missed(set, missed)
  local indexes = {}
  for n in pairs(missed) do
    indexes[#indexes + 1] = n
    set[n].budget.dirty = true -- so that it expires, counter and all
    redis.call('HINCRBY', set[n].key, 'missed', 1)
  end
  return indexes
end

-- The lease as it is kept: when it was made, if windows ask for that, and which budgets nothing was taken from.
local function noted(lease, timed, missed)
  if timed then lease = string.sub(lease, 1, -2) .. ',"at_ms":' .. whole(now_ms) .. '}' end
  if missed then lease = string.sub(lease, 1, -2) .. ',"missed":' .. cjson.encode(missed) .. '}' end
  return lease
end

local reply, size = {now_ms}, 1
while arg <= #ARGV do
  local set = sets[tonumber(ARGV[arg])]
  local costs = set.leases and arg + 2 or arg
  local verdict, wait_ms, missed, shadow = decide(set, costs)
  if set.leases and redis.call('EXISTS', KEYS[key]) == 1 then
    verdict, wait_ms = 0, 0 -- asked again, because the answer was lost: it has its lease already
  elseif verdict == 0 and lease_ms then
    for n, rule in ipairs(set) do
      if not (missed and missed[n]) then add(rule.budget, -tonumber(ARGV[costs + n])) end
    end
    missed = missed and note_missed(set, missed)
    if set.leases then
      local lease = ARGV[arg + 2]
      if missed or set.timed then lease = noted(lease, set.timed, missed) end
      redis.call('SET', KEYS[key], lease, 'PX', whole(lease_ms + keep_ms))
      redis.pcall('ZADD', set.leases, whole(now_ms + lease_ms), ARGV[arg + 1])
      if set.part then
        redis.call('ZREMRANGEBYSCORE', set.part, 0, whole(now_ms))
        redis.call('ZADD', set.part, whole(now_ms + lease_ms), ARGV[arg + 1])
        redis.call('PEXPIRE', set.part, PART_MS)
      end
    end
    wait_ms = shadow
  end
  if set.leases then key = key + 1 end
  reply[size + 1] = verdict
  reply[size + 2] = wait_ms == math.huge and -1 or math.min(wait_ms, MOST_WAIT_MS)
  size = size + 2
  for _, rule in ipairs(set) do
    size = size + 1
    reply[size] = rule.budget.level - rule.budget.shade
  end
  arg = costs + #set + 1
end

store()
return reply
