-- Takes expired leases of some owners out of the zset.  A script, because two sidecars sweep at once and each lease must be
-- given to one of them.  What was reserved stays charged: nobody knows what the request used.  The lease itself stays until
-- it expires, so that a log entry that comes late after all still settles it, in the window that it was made in.
--
-- The lease keys are not among KEYS: they are a prefix followed by a lease id, in the zset's slot by the hash tag.
--
-- KEYS  per owner: leases zset, the prefix of its leases
-- ARGV  at most so many
-- reply per lease: owner (from 0), lease id, what is stored

local time = redis.call('TIME')
local now_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local reply, room = {}, tonumber(ARGV[1])
for i = 1, #KEYS, 2 do
  local ids = room > 0 and redis.pcall('ZRANGEBYSCORE', KEYS[i], '-inf', now_ms, 'LIMIT', 0, room) or {}
  room = room - #ids
  for _, id in ipairs(ids) do
    local lease = redis.pcall('GET', KEYS[i + 1] .. id)
    redis.call('ZREM', KEYS[i], id)
    if type(lease) == 'string' then
      reply[#reply + 1] = (i - 1) / 2
      reply[#reply + 1] = id
      reply[#reply + 1] = lease
    end
  end
end
return reply
