-- Charges a job what is known of its use: once at its end, and before that as it grows.  A script, because several readers
-- of one job tell of it at once.
--
-- Other names of the job are kept as hashes {of}; they are a prefix followed by a name, in the job's slot by the hash tag.
--
-- KEYS  job, jobs zset, zset of what was reported too early
-- ARGV  the epoch key (empty: there is none to look at); who reports; tokens used: input, output, cached, reasoning; what
--       they cost, -1 if that is not known; `over`, `more` (at least so much was used) or `named` (nothing is charged); the
--       report, should the job not be known yet; name; prefix of names; another name or empty; how long to remember a job
--       that is over, and an early report, in ms; how many early reports
-- reply the notes of the job if this changed what it is charged, or did so before; if it is only `named`, its notes and what
--       was reported under its other name too early, if anything; else nothing; -1: this store has lost its budgets, nothing
--       was done

local job, jobs, earlies = unpack(KEYS)
local by, known_use, text, name, prefix, other = ARGV[2], ARGV[8], ARGV[9], ARGV[10], ARGV[11], ARGV[12]
if lost(ARGV[1]) then return {-1} end
input, output, cached, reasoning = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
cost = tonumber(ARGV[7])
local over_ms, early_ms, most = ARGV[13], ARGV[14], tonumber(ARGV[15])

local of = redis.call('HGET', job, 'of')
if of then job, name = prefix .. of, of end
local lease, notes, over_by, charged = unpack(redis.call('HMGET', job, 'lease', 'notes', 'over_by', 'charged'))

if not lease then
  redis.call('ZREMRANGEBYSCORE', earlies, '-inf', whole(now_ms))
  if known_use == 'over' and not of and redis.call('ZCARD', earlies) < most then
    redis.call('HSET', job, 'early', text)
    redis.call('PEXPIRE', job, early_ms)
    redis.call('ZADD', earlies, whole(now_ms + early_ms), name)
    redis.call('PEXPIRE', earlies, early_ms)
  end
  return {}
end
if other ~= '' then
  redis.call('HSET', prefix .. other, 'of', name)
  redis.call('PEXPIRE', prefix .. other, math.max(1, redis.call('PTTL', job)))
end
if known_use == 'named' then
  return {notes, other ~= '' and redis.call('HGET', prefix .. other, 'early') or ''}
end
if over_by then return over_by == by and {notes} or {} end

-- Charged in the window of the reservation, as the ledger has it; if that is over, in the present one.
local function change(rule, units, at_ms)
  if units == 0 then return end
  local budget = open(rule[1], rule[2], rule[3], rule[5], rule[6], rule[7], true)
  local since = budget.ends and (budget.sliding and 2 * budget.starts - budget.ends or budget.starts)
  if units < 0 and since and at_ms and at_ms < since then at_ms = nil end
  give_back(budget, units, at_ms)
end

local function charge_more(past)
  local found, grown = read_lease(lease), false
  for n, rule in ipairs(found.budgets) do
    local before = past[n]
    if before and known(rule[2]) then
      local due = used_of(rule[4], before)
      if known_use == 'more' then due = math.max(due, before) end
      change(rule, before - due, found.at_ms)
      grown, past[n] = grown or due ~= before, due
    end
  end
  return grown
end

local past = cjson.decode(charged)
local ok, grown = pcall(charge_more, past) -- if it cannot be read, there is nothing to refund
redis.call('HSET', job, 'charged', cjson.encode(past))
if known_use == 'over' then
  redis.call('HSET', job, 'over_by', by)
  redis.call('PEXPIRE', job, over_ms)
  redis.call('ZADD', jobs, whole(now_ms + over_ms), name)
end
store()
return (known_use == 'over' or ok and grown) and {notes} or {}
