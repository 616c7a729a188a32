-- Makes a lease a job: what it reserved stays charged, what was used beyond that by now is charged too, and it no longer
-- counts as a request in flight. A script, because the lease must not end twice.
--
-- KEYS  lease, leases zset, job, jobs zset
-- ARGV  the epoch key (empty: there is none to look at); lease id; the lease as JSON, for a request that was admitted without
--       one and so has reserved nothing, else empty; with the time of its charge (at_ms) if it is charged already; notes; the job's name in the zset; how long it is remembered, in ms; how
--       many may be; tokens used: input, output, cached, reasoning; what they cost, -1 if that is not known
-- reply 1 and what was reported of the job before, if anything; 0 if it is not held: the lease is gone, or there are too
--       many jobs; -1: this store has lost its budgets, nothing was done

local lease_key, leases, job, jobs = unpack(KEYS)
local epoch, id, given, notes, name, job_ms, most = unpack(ARGV)
if lost(epoch) then return {-1} end
input, output, cached, reasoning = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
cost = tonumber(ARGV[12])

local held, early = unpack(redis.call('HMGET', job, 'lease_id', 'early'))
if held == id then return {1, early or ''} end
redis.call('ZREMRANGEBYSCORE', jobs, '-inf', whole(now_ms))
local lease = redis.call('GET', lease_key)
local leased, charged = lease and true, string.find(given, '"at_ms": ', 1, true)
if not lease and given ~= '' then
  lease = charged and given or string.sub(given, 1, -2) .. ',"at_ms":' .. whole(now_ms) .. '}'
end
if held or not lease or redis.call('ZCARD', jobs) >= tonumber(most) then return {0} end

-- What each rule has taken then, false if nothing.
local function charge(past)
  local found = read_lease(lease)
  for n, rule in ipairs(found.budgets) do
    local before = found.reserved[n]
    past[n] = false
    if before and known(rule[2]) then
      past[n] = math.max(before, used_of(rule[4], leased and before or 1))
      if leased or not (charged or before_epoch(id)) then give_back_to(rule, before - past[n], found.at_ms) end
    end
  end
end

local past = {}
pcall(charge, past) -- if it cannot be read there is nothing to charge
redis.call('HSET', job, 'lease_id', id, 'lease', lease, 'charged', cjson.encode(past), 'notes', notes)
redis.call('PEXPIRE', job, job_ms)
redis.call('ZADD', jobs, whole(now_ms + job_ms), name)
redis.call('PEXPIRE', jobs, job_ms)
redis.call('DEL', lease_key)
redis.call('ZREM', leases, id)
store()
return {1, early or ''}
