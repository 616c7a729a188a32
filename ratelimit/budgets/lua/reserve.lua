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
-- KEYS  per rule set: its leases zset (if it takes leases), that of the part (if they are of one), its budgets.  The keys of
--       leases are those of their zset with another word in them, and in its slot.
-- ARGV  valid_until_ms (on Redis's clock; 0: always); lease_ms; keep_ms (how long a lease is kept beyond its deadline,
--       should nobody sweep); the epoch key (empty: there is none to look at); the requests; the rule sets.  What is said once
--       a request or once a rule set is MessagePack, since each argument costs Redis and its client as much as a dozen numbers:
--       requests  flat, of each: its rule set (from 1); if that takes leases: lease id, and what the lease keeps of this
--                 request, as JSON without its first brace; then the cost by each rule
--       rule set  leases at most, -1 any number, false if it takes none; leases of the part at most, -1 any number, false
--                 if they are of none, and the member that they keep, as JSON; how each of its leases begins; its rules, each
--                 shape, capacity, whether it is a shadow, and perhaps the bounds of its calendar
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
if ARGV[4] ~= '' and redis.call('EXISTS', ARGV[4]) == 0 then return {now_ms, -1} end

local key = 1
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
  redis.call('ZADD', set.part, -1, '')
  redis.call('PEXPIRE', set.part, PART_MS)
  local found = redis.pcall('ZRANGEBYSCORE', set.leases, '(' .. whole(now_ms), '+inf', 'WITHSCORES', 'LIMIT', 0, MOST_GATHERED)
  for i = 1, #found, 2 do
    local lease = redis.pcall('GET', set.prefix .. found[i])
    if type(lease) == 'string' and string.find(lease, member, 1, true) then
      redis.call('ZADD', set.part, found[i + 1], found[i])
    end
  end
end

local function read_set(packed)
  local most, most_of_part, member, head, rules = unpack(cmsgpack.unpack(packed))
  local set = {most = most, most_of_part = most_of_part, head = head}
  if most then
    set.leases = KEYS[key]
    set.prefix = string.gsub(set.leases, ':leases:', ':lease:', 1) .. ':'
    key = key + 1
    if most_of_part then
      part_of(set, KEYS[key], member)
      key = key + 1
    end
  end
  for n, rule in ipairs(rules) do
    local shape, capacity, shadow, first, second, third = unpack(rule)
    local budget = open(KEYS[key], shape, capacity, first, second, third)
    set[n] = {budget = budget, key = KEYS[key], capacity = capacity, shadow = shadow}
    set.timed = set.timed or budget.ends
    key = key + 1
  end
  return set
end

local sets = {}
for i = 6, #ARGV do
  sets[i - 5] = read_set(ARGV[i])
end

-- By zset: how many leases in it have not expired, counted once a call; a table if it cannot be read.
local counts = {}
local function count_of(zset)
  local count = counts[zset]
  if not count then
    count = redis.pcall('ZCOUNT', zset, '(' .. whole(now_ms), '+inf')
    counts[zset] = count
  end
  return count
end

-- The number of leases, if there is a bound on it; a table if it cannot be read.
local function leases_of(set)
  if not set.leases or set.most < 0 then return -1 end
  return count_of(set.leases)
end

local function no_room_in_part(set)
  if not set.part or set.most_of_part < 0 then return false end
  return count_of(set.part) >= set.most_of_part
end

local function needs_unreadable(set, leases)
  for _, rule in ipairs(set) do
    if rule.budget.unreadable and not rule.shadow then return true end
  end
  return type(leases) ~= 'number'
end

local requests = cmsgpack.unpack(ARGV[5])

-- Verdict and wait; then the shadow rules that it missed, if any, and the one of them to wait for longest. `costs`: where
-- the request's are, less one.
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
    local cost = requests[costs + n]
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

local function take_costs(set, costs, missed)
  for n, rule in ipairs(set) do
    if missed and missed[n] then
      rule.budget.dirty = true -- so that it expires, counter and all
      redis.call('HINCRBY', rule.key, 'missed', 1)
    else
      add(rule.budget, -requests[costs + n])
    end
  end
end

-- The lease as it is kept: with when it was made, if windows ask for that, and which budgets nothing was taken from.
local function lease_of(set, costs, missed)
  local reserved, indexes = {}, {}
  for n = 1, #set do
    reserved[n] = whole(requests[costs + n])
    if missed and missed[n] then indexes[#indexes + 1] = n end
  end
  local kept = requests[costs]
  local lease = set.head .. ',"reserved":[' .. table.concat(reserved, ',') .. (kept == '}' and ']' or '],') .. kept
  if set.timed then lease = string.sub(lease, 1, -2) .. ',"at_ms":' .. whole(now_ms) .. '}' end
  if missed then lease = string.sub(lease, 1, -2) .. ',"missed":' .. cjson.encode(indexes) .. '}' end
  return lease
end

-- By zset: ids that are added to it at the end, each behind its score. The scores are all the same.
local added, of_part = {}, {}
local deadline = lease_ms and whole(now_ms + lease_ms)
local function add_to(zset, id)
  local ids = added[zset] or {}
  added[zset] = ids
  ids[#ids + 1] = deadline
  ids[#ids + 1] = id
  if type(counts[zset]) == 'number' then counts[zset] = counts[zset] + 1 end
end

-- Takes the lease of an admitted request, if it has none yet: one that asks again, because the answer was lost, has it.
local function take_lease(set, costs, missed)
  local id = requests[costs - 1]
  local kept_ms = whole(lease_ms + keep_ms)
  if not redis.call('SET', set.prefix .. id, lease_of(set, costs, missed), 'NX', 'PX', kept_ms) then return false end
  add_to(set.leases, id)
  if set.part then
    add_to(set.part, id)
    of_part[set.part] = true
  end
  return true
end

local function has_lease(set, costs)
  return set.leases and redis.call('EXISTS', set.prefix .. requests[costs - 1]) == 1
end

local reply, size, at = {now_ms}, 1, 1
while at <= #requests do
  local set = sets[requests[at]]
  local costs = set.leases and at + 2 or at
  local verdict, wait_ms, missed, shadow = decide(set, costs)
  if verdict == 0 and lease_ms then
    if not set.leases or take_lease(set, costs, missed) then
      take_costs(set, costs, missed)
      wait_ms = shadow
    else
      wait_ms = 0
    end
  elseif has_lease(set, costs) then
    verdict, wait_ms = 0, 0
  end
  reply[size + 1] = verdict
  reply[size + 2] = wait_ms == math.huge and -1 or math.min(wait_ms, MOST_WAIT_MS)
  size = size + 2
  for _, rule in ipairs(set) do
    size = size + 1
    reply[size] = rule.budget.level - rule.budget.shade
  end
  at = costs + #set + 1
end

for zset, ids in pairs(added) do
  if of_part[zset] then redis.call('ZREMRANGEBYSCORE', zset, 0, whole(now_ms)) end
  redis.pcall('ZADD', zset, unpack(ids))
  if of_part[zset] then redis.call('PEXPIRE', zset, PART_MS) end
end
store()
return reply
