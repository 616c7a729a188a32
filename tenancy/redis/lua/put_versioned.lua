-- Writes a versioned JSON value (key record, tombstone of a deleted key, model catalog, capacity) unless a newer one is
-- there.
-- KEYS[1]  tollkeeper:key:<hash>, tollkeeper:models or tollkeeper:capacity:{sidecars}
-- ARGV[1]  version of what is written   ARGV[2]  its JSON, with the same version   ARGV[3]  seconds to live; 0: forever
-- Reply    1 written; 0 refused, what is stored has a higher version
-- A script because the comparison and the write must be one step: a slow loader must not bring back a revoked key.
-- What is there and cannot be read, whatever its type, is replaced.
local stored = redis.pcall('GET', KEYS[1])
if type(stored) == 'string' then
  local readable, value = pcall(cjson.decode, stored)
  local version = readable and type(value) == 'table' and tonumber(value.version)
  if version and version > tonumber(ARGV[1]) then
    return 0
  end
end
if ARGV[3] == '0' then
  redis.call('SET', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
end
return 1
