-- Keeps an answer, on its owner's account.
--
-- KEYS  the answer; who is at it; of its owner's answers: by when each was used, by when each ends, the bytes of each
-- ARGV  the answer's name among them; the lease; the answer; for how long, in ms; the most bytes of its owner; what stands
--       before an answer's name in its key
-- Gives whether it is kept, how many had to go, the bytes of its owner now

local answer, claim, used, ends, sizes = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local name, lease, stored, ttl, most, prefix = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local ALL = '' -- the field of the sum
local BESIDE = 400 -- bytes that an answer takes besides, here and in its key
local AT_ONCE = 100
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function forget(each)
  local size = tonumber(redis.call('HGET', sizes, each) or 0)
  redis.call('HDEL', sizes, each)
  redis.call('ZREM', used, each)
  redis.call('ZREM', ends, each)
  return tonumber(redis.call('HINCRBY', sizes, ALL, -size))
end

if redis.call('GET', claim) == lease then redis.call('DEL', claim) end
for _, each in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, AT_ONCE)) do forget(each) end
local size = #stored + BESIDE
if size > most then return { 0, 0, tonumber(redis.call('HGET', sizes, ALL) or 0) } end
local total = forget(name)
local evicted = 0
while total + size > most and evicted < AT_ONCE do
  local oldest = redis.call('ZRANGE', used, 0, 0)[1]
  if not oldest then break end
  redis.call('DEL', prefix .. oldest)
  total = forget(oldest)
  evicted = evicted + 1
end
if total + size > most then return { 0, evicted, total } end
redis.call('SET', answer, stored, 'PX', ttl)
redis.call('HSET', sizes, name, size)
total = tonumber(redis.call('HINCRBY', sizes, ALL, size))
redis.call('ZADD', used, now, name)
redis.call('ZADD', ends, now + ttl, name)
for _, key in ipairs({ used, ends, sizes }) do
  if redis.call('PTTL', key) < ttl then redis.call('PEXPIRE', key, ttl) end
end
return { 1, evicted, total }
