-- Whether a change is to be made: not if the same marker made it before. Put in front of the scripts of an operator's
-- changes, because a caller who did not hear the answer repeats the call, and Redis may have made the change.
--
-- The marker is not among KEYS, which are budgets; it lies in their slot by the hash tag.
--
-- ARGV  the last two: marker (empty: the caller does not ask again), marker_ms (how long it is remembered)

local marker, marker_ms = ARGV[#ARGV - 1], ARGV[#ARGV]
local asked_first = marker == '' or redis.call('SET', marker, '1', 'NX', 'PX', marker_ms)
