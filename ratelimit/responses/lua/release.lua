-- Ends the claim of a lease, if it is still its.  KEYS  who is at it.  ARGV  the lease.

if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
