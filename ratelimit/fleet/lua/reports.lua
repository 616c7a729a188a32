-- The last reports of all sidecars that still report.  A script, so that their ages are by one clock.
--
-- The report keys are not among KEYS: they are ARGV[1] followed by a sidecar's id, in the same slot by the hash tag.
--
-- KEYS  sidecars zset, capacity
-- ARGV  the prefix of the reports; at most how many
-- reply now_ms, capacity JSON or ''; then per sidecar, the oldest report first: report JSON, its time in ms

local time = redis.call('TIME')
local capacity = redis.pcall('GET', KEYS[2])
local reply = {time[1] * 1000 + math.floor(time[2] / 1000), type(capacity) == 'string' and capacity or ''}
local seen = redis.call('ZRANGE', KEYS[1], -tonumber(ARGV[2]), -1, 'WITHSCORES')
for i = 1, #seen, 2 do
  local report = redis.pcall('GET', ARGV[1] .. seen[i])
  if type(report) == 'string' then
    reply[#reply + 1] = report
    reply[#reply + 1] = tonumber(seen[i + 1])
  end
end
return reply
