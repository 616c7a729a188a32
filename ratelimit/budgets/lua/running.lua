-- The leases of some owners that have not expired.
--
-- KEYS  per owner: leases zset
-- reply per owner: {lease ids}

local time = redis.call('TIME')
local now_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local reply = {}
for i, leases in ipairs(KEYS) do
  local ids = redis.pcall('ZRANGEBYSCORE', leases, '(' .. now_ms, '+inf')
  reply[i] = ids.err and {} or ids
end
return reply
