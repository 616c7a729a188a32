-- Takes expired leases of some tenants out.  A script, because two sidecars sweep at once and each lease must be given to
-- one of them.  What was reserved stays charged: nobody knows what the request used.
--
-- The lease keys are not among KEYS: they are a prefix followed by a lease id, in the zset's slot by the hash tag.
--
-- KEYS  per tenant: leases zset, the prefix of its leases
-- ARGV  at most so many
-- reply per lease: tenant (from 0), lease id, lease JSON.  What a lease of another version lacks is empty: it is out of Redis when the
--       reply is read, so whoever stumbles over one loses all of them.

local FIELDS = {key_id = '', user_id = '', end_user_id = '', model = '', path = '', tokens = 0, input_estimate = 0}

local function complete(text)
  local decoded, lease = pcall(cjson.decode, text)
  local found, whole = decoded and type(lease) == 'table' and lease or {}, true
  local completed = {}
  for name, empty in pairs(FIELDS) do
    local fits = type(found[name]) == type(empty)
    completed[name] = fits and found[name] or empty
    whole = whole and fits
  end
  return whole and text or cjson.encode(completed)
end

local time = redis.call('TIME')
local now_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local reply, room = {}, tonumber(ARGV[1])
for i = 1, #KEYS, 2 do
  local ids = room > 0 and redis.call('ZRANGEBYSCORE', KEYS[i], '-inf', now_ms, 'LIMIT', 0, room) or {}
  room = room - #ids
  for _, id in ipairs(ids) do
    local lease = redis.call('GETDEL', KEYS[i + 1] .. id)
    redis.call('ZREM', KEYS[i], id)
    if lease then
      reply[#reply + 1] = (i - 1) / 2
      reply[#reply + 1] = id
      reply[#reply + 1] = complete(lease)
    end
  end
end
return reply
