-- Keeps which Envoys live: those that a sidecar hears from, and those that one takes for alive because it has not heard
-- from them yet. An Envoy that nobody has heard from for silent_ms, and that nobody takes for alive, is gone. A script,
-- because an Envoy that is gone must be given to one sidecar, and not while another says that it lives.
--
-- The sidecar that was given an Envoy may die before it is done. So the Envoy is given again, until it is reported as done.
--
-- While nobody looks (Redis was away, or all sidecars were) silence means nothing: it counts from the next look on.
--
-- KEYS  zsets: Envoys by when they were heard of, in ms; by until when one is taken for alive; that are gone by when that was
--       found; that are gone, and to be done, by when they were given; then a hash: looked_at, since
-- ARGV  silent_ms, gone_ms (of one that somebody says is gone), alive_ms, again_ms, keep_ms; how many follow each:
--       heard of, taken for alive, gone by what a sidecar knows, done
-- reply {now_ms, {what is given, when it was found gone}, {all that were found gone within keep_ms, likewise}}

local PAUSE_MS, MOST = 5000, 100
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local silent_ms, gone_ms, alive_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local again_ms, keep_ms = tonumber(ARGV[4]), tonumber(ARGV[5])
local heard, alive, gone, open, looks = unpack(KEYS)

local function whole(number)
  return string.format('%.0f', number)
end

-- Since when somebody has looked without a pause.
local function watched_since()
  local looked_at = tonumber(redis.call('HGET', looks, 'looked_at') or 0)
  local since = tonumber(redis.call('HGET', looks, 'since') or now_ms)
  if math.abs(now_ms - looked_at) > PAUSE_MS then since = now_ms end
  redis.call('HSET', looks, 'looked_at', whole(now_ms), 'since', whole(since))
  return since
end

local function take(name)
  redis.call('ZREM', heard, name)
  redis.call('ZREM', alive, name)
  redis.call('ZADD', gone, whole(now_ms), name)
  redis.call('ZADD', open, 0, name)
end

local parts, arg = {}, 10
for i = 1, 4 do
  parts[i] = {}
  for n = 1, tonumber(ARGV[5 + i]) do
    parts[i][n] = ARGV[arg]
    arg = arg + 1
  end
end

local since = watched_since()
for _, name in ipairs(parts[1]) do
  redis.call('ZADD', heard, whole(now_ms), name)
  redis.call('ZREM', gone, name) -- it was not gone
  redis.call('ZREM', open, name)
end
for _, name in ipairs(parts[2]) do
  redis.call('ZADD', alive, whole(now_ms + alive_ms), name)
  if not redis.call('ZSCORE', gone, name) then redis.call('ZADD', heard, 'NX', whole(now_ms), name) end
end
for _, name in ipairs(parts[3]) do
  local at = tonumber(redis.call('ZSCORE', heard, name) or 0)
  if now_ms - at > gone_ms then take(name) end
end
for _, name in ipairs(parts[4]) do redis.call('ZREM', open, name) end
if now_ms - since > silent_ms then
  local silent = redis.call('ZRANGEBYSCORE', heard, '-inf', '(' .. whole(now_ms - silent_ms), 'LIMIT', 0, MOST)
  for _, name in ipairs(silent) do
    if tonumber(redis.call('ZSCORE', alive, name) or 0) < now_ms then take(name) end
  end
end
redis.call('ZREMRANGEBYSCORE', alive, '-inf', '(' .. whole(now_ms))
redis.call('ZREMRANGEBYSCORE', gone, '-inf', '(' .. whole(now_ms - keep_ms))

local given = {}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', open, '-inf', '(' .. whole(now_ms - again_ms), 'LIMIT', 0, MOST)) do
  local at = redis.call('ZSCORE', gone, name)
  if at then
    redis.call('ZADD', open, whole(now_ms), name)
    given[#given + 1] = name
    given[#given + 1] = tonumber(at)
  else
    redis.call('ZREM', open, name)
  end
end
local all = redis.call('ZRANGE', gone, -MOST, -1, 'WITHSCORES')
for i = 2, #all, 2 do all[i] = tonumber(all[i]) end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, 86400000) end
return {now_ms, given, all}
