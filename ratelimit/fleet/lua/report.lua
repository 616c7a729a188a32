-- Takes one sidecar's report, and gives it its share of the bound on all sidecars together.  A script, because what is
-- granted and what the others hold must be seen in one step: then the shares never add up to more than the bound.
--
-- A sidecar holds its share, or what it still has in flight if that is more; nobody gets what another holds.  It gives
-- up its share by not reporting for `ttl_ms`.  Within that, shares follow demand.  Each wants what it runs and some
-- headroom; one that had to refuse requests wants everything.  If all can have what they want, what is over is spread
-- evenly; if not, shares are max-min fair.
--
-- What tenants were served through it is added to what they were served through all, in a hash of this period: so each
-- sidecar hears what its own tenants have had elsewhere.  Two hashes take turns, and each expires after its period.
--
-- KEYS  sidecars zset, shares hash, capacity, this sidecar's report, the hashes of even and of odd periods
-- ARGV  sidecar id, report JSON, ttl_ms, in flight, 1 if requests were refused for want of room since the last report,
--       or wait; then tenants, each with what is to be added
-- reply {now_ms, capacity JSON or '', share or -1 (there is no such bound), 1 if the others hold what it should get,
--       the period, the totals of these tenants...}

local PERIOD_MS = 600000
local HEADROOM = 4 -- the 4th part of an equal share, which an idle sidecar keeps while others are short
local id, ttl_ms, in_flight, short = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == '1'

local function whole(number)
  return string.format('%.0f', number)
end

local function forget_the_silent(now_ms)
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. whole(now_ms - ttl_ms))) do
    redis.call('ZREM', KEYS[1], other)
    redis.call('HDEL', KEYS[2], other)
  end
end

-- Of `total`, what somebody who wants `mine` is due when it is poured out evenly until everybody has what they want.
local function due_of(total, mine, wants)
  table.sort(wants)
  local left = total
  for i, want in ipairs(wants) do
    local even = left / (#wants - i + 1)
    if want > even then return math.min(mine, math.ceil(even)) end
    left = left - want
  end
  return mine + math.floor(left / #wants)
end

local function share_of(total, most)
  local wants, held = {}, 0
  local shares = redis.call('HGETALL', KEYS[2])
  for i = 1, #shares, 2 do
    if shares[i] ~= id then
      local want, holds = string.match(shares[i + 1], '^(%d+) (%d+)$')
      if want then -- else it is forgotten as soon as its sidecar is silent
        wants[#wants + 1] = tonumber(want)
        held = held + tonumber(holds)
      end
    end
  end
  local mine = short and total or in_flight + math.max(1, math.ceil(total / (#wants + 1) / HEADROOM))
  mine = math.min(mine, most, total)
  wants[#wants + 1] = mine
  local due = math.min(due_of(total, mine, wants), most)
  local share = math.max(0, math.min(due, total - held))
  redis.call('HSET', KEYS[2], id, whole(mine) .. ' ' .. whole(math.max(share, in_flight)))
  return share, share < due
end

local function add_served(reply, now_ms)
  local period = math.floor(now_ms / PERIOD_MS)
  local served = KEYS[5 + period % 2]
  reply[#reply + 1] = period
  for i = 6, #ARGV, 2 do
    reply[#reply + 1] = redis.call('HINCRBY', served, ARGV[i], ARGV[i + 1])
  end
  if #ARGV > 5 then redis.call('PEXPIREAT', served, whole((period + 1) * PERIOD_MS + ttl_ms)) end
  return reply
end

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
forget_the_silent(now_ms)
redis.call('ZADD', KEYS[1], whole(now_ms), id)
redis.call('SET', KEYS[4], ARGV[2], 'PX', ttl_ms)
local text = redis.pcall('GET', KEYS[3])
local read, capacity = pcall(cjson.decode, text)
if not read or type(capacity) ~= 'table' then
  text, capacity = nil, {} -- as if it were lost: the sidecar puts it back
end
local total, most = tonumber(capacity.max_in_flight_total), tonumber(capacity.max_in_flight)
if not total then
  redis.call('HDEL', KEYS[2], id)
  return add_served({now_ms, text or '', -1, 0}, now_ms)
end
local share, short_of_due = share_of(total, most or total)
return add_served({now_ms, text, share, short_of_due and 1 or 0}, now_ms)
