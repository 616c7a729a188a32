-- Moves the expiry of leases whose requests still run. One that has ended is not there, and stays so; one that expired and
-- was swept counts again.
--
-- KEYS  per lease: lease, leases zset
-- ARGV  lease_ms; keep_ms (how long a lease is kept beyond its deadline); per lease: lease id
-- reply how many were there

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local lease_ms, keep_ms = tonumber(ARGV[1]), tonumber(ARGV[2])

local function whole(number)
  return string.format('%.0f', number)
end

-- The zset of a part of the owner's leases (settle.lua), if it has a bound of its own.
local function renew_in_part(leases, text, id, deadline)
  local part = cjson.decode(text).key_id
  if type(part) ~= 'string' or part == '' then return end
  local key = string.gsub(leases, ':leases:', ':part:', 1) .. ':' .. part
  if redis.call('EXISTS', key) == 1 then redis.call('ZADD', key, deadline, id) end
end

local renewed, deadline = 0, whole(now_ms + lease_ms)
for i = 3, #ARGV do
  local lease, leases = KEYS[2 * i - 5], KEYS[2 * i - 4]
  local text = redis.pcall('GET', lease)
  if type(text) == 'string' then
    redis.call('PEXPIRE', lease, whole(lease_ms + keep_ms))
    redis.pcall('ZADD', leases, deadline, ARGV[i])
    redis.pcall('ZREM', (string.gsub(leases, ':leases:', ':leases-swept:', 1)), ARGV[i])
    pcall(renew_in_part, leases, text, ARGV[i], deadline)
    renewed = renewed + 1
  end
end
return renewed
