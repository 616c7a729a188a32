-- The rows of these leases are safe: no sweep gets them again. A script, like everything that is asked of owners in
-- batches.
--
-- KEYS  per lease: zset of what was given to sweeps
-- ARGV  per lease: lease id
-- reply 1

for i, zset in ipairs(KEYS) do
  redis.pcall('ZREM', zset, ARGV[i])
end
return 1
