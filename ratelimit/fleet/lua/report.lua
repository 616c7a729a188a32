-- Takes one sidecar's report, and gives it its shares of the bounds on all sidecars together: of the capacity, and of
-- models' own.  A script, because what is granted and what the others hold must be seen in one step: then the shares
-- of a bound never add up to more than it.
--
-- A sidecar holds its share, or what it still has in flight if that is more; nobody gets what another holds.  It gives
-- up its share by not reporting for `ttl_ms`.  Within that, it gets what it is due.  One of the sidecars says what each
-- is due, by the weights of those who wait there (spreading.py); it is the one that has the leader's key.  What nobody
-- has said anything of follows demand: each wants what it runs and some headroom; one that had to refuse requests wants
-- everything.  If all can have what they want, what is over is spread evenly; if not, shares are max-min fair.
--
-- What tenants were served through it is added to what they were served through all, in a hash of this period: so each
-- sidecar hears what its own tenants have had elsewhere.  Two hashes take turns, and each expires after its period.
--
-- KEYS  sidecars zset, capacity, this sidecar's report, the hashes of even and of odd periods, leader, dues hash; then
--       per pool its shares hash, that of the capacity first
-- ARGV  sidecar id, report JSON, ttl_ms, pools; per pool: name, bound (of the capacity: 0; -1: it is given up), in
--       flight, 1 if requests were refused for want of room since the last report, or wait; then tenants, each with
--       what is to be added
-- reply {now_ms, capacity JSON or '', 1 if this one leads, 1 if the others hold what it should get, the period,
--       {its share of each pool, -1: there is no such bound}, {the totals of these tenants}}

local PERIOD_MS, LEADER_MS = 600000, 2000
local HEADROOM = 4 -- the 4th part of an equal share, which an idle sidecar keeps while others are short
local id, ttl_ms, pools = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])

local function whole(number)
  return string.format('%.0f', number)
end

local function forget_the_silent(now_ms)
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. whole(now_ms - ttl_ms))) do
    redis.call('ZREM', KEYS[1], other)
    redis.call('HDEL', KEYS[8], other)
  end
end

local function leads()
  redis.call('SET', KEYS[6], id, 'NX', 'PX', math.min(ttl_ms, LEADER_MS))
  if redis.call('GET', KEYS[6]) ~= id then return 0 end
  redis.call('PEXPIRE', KEYS[6], math.min(ttl_ms, LEADER_MS))
  return 1
end

-- By pool; a table without entries if nothing is said of this sidecar.
local function dues()
  local text = redis.call('HGET', KEYS[7], id)
  local read, found = pcall(cjson.decode, text or '{}')
  return read and type(found) == 'table' and found or {}
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

-- What the others want and hold of a pool; `alive` are those that report.
local function others(key, alive)
  local wants, held = {}, 0
  local shares = redis.call('HGETALL', key)
  for i = 1, #shares, 2 do
    if not alive[shares[i]] then
      redis.call('HDEL', key, shares[i])
    elseif shares[i] ~= id then
      local want, holds = string.match(shares[i + 1], '^(%d+) (%d+)$')
      if want then -- else it is forgotten as soon as its sidecar is silent
        wants[#wants + 1] = tonumber(want)
        held = held + tonumber(holds)
      end
    end
  end
  return wants, held
end

local function share_of(key, total, most, in_flight, short, alive, due)
  local wants, held = others(key, alive)
  local mine = short and total or in_flight + math.max(1, math.ceil(total / (#wants + 1) / HEADROOM))
  mine = math.min(mine, most, total)
  wants[#wants + 1] = mine
  due = math.min(tonumber(due) or due_of(total, mine, wants), most)
  local share = math.max(0, math.min(due, total - held))
  redis.call('HSET', key, id, whole(mine) .. ' ' .. whole(math.max(share, in_flight)))
  return share, share < due
end

local function add_served(now_ms)
  local period, totals = math.floor(now_ms / PERIOD_MS), {}
  local served, first = KEYS[4 + period % 2], 5 + 4 * pools
  for i = first, #ARGV, 2 do
    totals[#totals + 1] = redis.call('HINCRBY', served, ARGV[i], ARGV[i + 1])
  end
  if #ARGV >= first then redis.call('PEXPIREAT', served, whole((period + 1) * PERIOD_MS + ttl_ms)) end
  return period, totals
end

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
forget_the_silent(now_ms)
redis.call('ZADD', KEYS[1], whole(now_ms), id)
redis.call('SET', KEYS[3], ARGV[2], 'PX', ttl_ms)
local text = redis.pcall('GET', KEYS[2])
local read, capacity = pcall(cjson.decode, text)
if not read or type(capacity) ~= 'table' then
  text, capacity = nil, {} -- treated as lost: the sidecar writes it again
end
local alive = {}
for _, other in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do alive[other] = true end
local due, shares, short_of_due = dues(), {}, 0
for pool = 1, pools do
  local key, arg = KEYS[7 + pool], 1 + 4 * pool
  local total, most = tonumber(ARGV[arg + 1]), nil
  if pool == 1 then total, most = tonumber(capacity.max_in_flight_total), tonumber(capacity.max_in_flight) end
  if not total or total < 0 then
    redis.call('HDEL', key, id)
    shares[pool] = -1
  else
    local in_flight, short = tonumber(ARGV[arg + 2]), ARGV[arg + 3] == '1'
    local share, waits = share_of(key, total, most or total, in_flight, short, alive, due[ARGV[arg]])
    shares[pool] = share
    if waits then short_of_due = 1 end
    if pool > 1 then redis.call('PEXPIRE', key, 2 * ttl_ms) end
  end
end
local period, totals = add_served(now_ms)
return {now_ms, text or '', leads(), short_of_due, period, shares, totals}
