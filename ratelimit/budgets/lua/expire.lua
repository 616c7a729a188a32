-- Makes the leases of finished requests expire now: their slots are free, and a sweep gets them. A lease that has ended, or
-- was swept, is not there, and stays so.
--
-- KEYS  per lease: lease, leases zset
-- ARGV  per lease: lease id
-- reply how many there were

-- The zset of a part of the owner's leases (settle.lua), if it has a bound of its own.
local function expire_in_part(leases, text, id)
  local part = cjson.decode(text).key_id
  if type(part) ~= 'string' or part == '' then return end
  redis.call('ZADD', string.gsub(leases, ':leases:', ':part:', 1) .. ':' .. part, 'XX', 0, id)
end

local found = 0
for i, id in ipairs(ARGV) do
  local lease, leases = KEYS[2 * i - 1], KEYS[2 * i]
  local text = redis.pcall('GET', lease)
  if type(text) == 'string' and type(redis.pcall('ZSCORE', leases, id)) == 'string' then
    redis.call('ZADD', leases, 'XX', 0, id)
    pcall(expire_in_part, leases, text, id)
    found = found + 1
  end
end
return found
