-- Takes expired leases of some owners out of the zset.  A script, because two sidecars sweep at once and each lease must be
-- given to one of them.  What was reserved stays charged: nobody knows what the request used.  The lease itself stays until
-- it expires, so that a log entry that comes late after all still settles it, in the window that it was made in.
--
-- The reply may be lost, or its receiver may die before it has written a row. So each lease is noted with the time when it
-- was given, and given again until its row is reported as safe (accounted.lua), or it is settled after all: a row that is
-- there stays as it is.
--
-- The lease keys are not among KEYS: they are a prefix followed by a lease id, in the zset's slot by the hash tag.
--
-- KEYS  per owner: leases zset, the prefix of its leases, zset of what was given by the time in ms
-- ARGV  at most how many; ms after which it is given again
-- reply per lease: owner (from 0), lease id, what is stored, 1 if it was given before

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local reply, room, again_ms = {}, tonumber(ARGV[1]), tonumber(ARGV[2])

local function whole(number)
  return string.format('%.0f', number)
end

local function take(i, zset, until_ms, again)
  local ids = room > 0 and redis.pcall('ZRANGEBYSCORE', KEYS[zset], '-inf', whole(until_ms), 'LIMIT', 0, room) or {}
  room = room - #ids
  for _, id in ipairs(ids) do
    local lease = redis.pcall('GET', KEYS[i + 1] .. id)
    redis.call('ZREM', KEYS[zset], id)
    if type(lease) == 'string' then
      redis.call('ZADD', KEYS[i + 2], whole(now_ms), id)
      reply[#reply + 1] = (i - 1) / 3
      reply[#reply + 1] = id
      reply[#reply + 1] = lease
      reply[#reply + 1] = again
    end
  end
end

for i = 1, #KEYS, 3 do
  take(i, i, now_ms, 0)
  take(i, i + 2, now_ms - again_ms, 1)
end
return reply
