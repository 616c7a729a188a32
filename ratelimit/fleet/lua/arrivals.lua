-- Takes from one sidecar what it was told of requests that began elsewhere, and gives it what all others were.  A
-- script, so that what is read, how far the others have told, and who there is are seen in one step.
--
-- `through` of a sidecar: all that it was told of before that time of Redis's clock is in the stream.  A sidecar that is
-- silent for silent_ms without having left may have kept some to itself: that is told as a loss, to all.  One that nobody
-- asks over TCP has nothing to tell, and is `quiet`.
--
-- KEYS  stream of what was told, kept for keep_ms; hash: sidecar to "through heard_at" or "quiet heard_at"; sidecars zset
-- ARGV  sidecar id; 'tells', 'quiet' or 'leaves'; through; cursor, '' at first; when it was moved; 1 if some was lost;
--       keep_ms, silent_ms, entries at most; items, packed
-- reply {now_ms, 1 if each sidecar that reports is one of these, 1 if some was lost, the least `through` of the others
--       (-1: there are none), cursor, 1 if there is more, {sidecar, items, ...}}

local stream, tellers, sidecars = unpack(KEYS)
local id, how, through, cursor, read_ms, lost, keep_ms, silent_ms, most, items = unpack(ARGV)
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
keep_ms, silent_ms, read_ms = tonumber(keep_ms), tonumber(silent_ms), tonumber(read_ms)

local function whole(number)
  return string.format('%.0f', number)
end

local function add(...)
  redis.call('XADD', stream, 'MINID', whole(now_ms - keep_ms), '*', 'by', id, ...)
end

-- By sidecar what it said last, without those that are silent.
local function known()
  local found, all = {}, redis.call('HGETALL', tellers)
  for i = 1, #all, 2 do
    local said, at = string.match(all[i + 1], '^(%S+) (%d+)$')
    if not said or math.abs(now_ms - tonumber(at)) > silent_ms then
      redis.call('HDEL', tellers, all[i])
      if said ~= 'quiet' then add('of', all[i], 'lost', '1') end
    else
      found[all[i]] = said
    end
  end
  return found
end

local there = known()
local missed = cursor ~= '' and (not there[id] or now_ms < read_ms or now_ms - read_ms > keep_ms)
if how == 'leaves' then
  redis.call('HDEL', tellers, id)
else
  redis.call('HSET', tellers, id, (how == 'quiet' and how or through) .. ' ' .. whole(now_ms))
  there[id] = how
end
if lost == '1' then add('lost', '1') end
if #items > 0 then add('items', items) end
redis.call('PEXPIRE', stream, whole(2 * keep_ms))
if how == 'quiet' then return {now_ms, 1, 0, -1, '', 0, {}} end

if cursor == '' or missed then
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  cursor = last and last[1] or '0-0'
end
local read, told = redis.call('XRANGE', stream, '(' .. cursor, '+', 'COUNT', most), {}
for _, entry in ipairs(read) do
  cursor = entry[1]
  local by, name, value = entry[2][2], entry[2][3], entry[2][4]
  if name ~= 'items' then
    missed = missed or by ~= id or name == 'of'
  elseif by ~= id then
    told[#told + 1] = by
    told[#told + 1] = value
  end
end
local complete, least = 1, -1
for _, other in ipairs(redis.call('ZRANGEBYSCORE', sidecars, whole(now_ms - silent_ms), '+inf')) do
  if not there[other] then complete = 0 end
end
for other, said in pairs(there) do
  if other ~= id and said ~= 'quiet' then
    least = (least == -1 or tonumber(said) < least) and tonumber(said) or least
  end
end
return {now_ms, complete, missed and 1 or 0, least, cursor, #read == tonumber(most) and 1 or 0, told}
