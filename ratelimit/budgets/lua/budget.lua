-- The budgets of a script's run: loaded once, changed in memory, written back at the end.  Not a script of its own: it is
-- put in front of each of the others.  The same arithmetic as level.py, which says why there are no fractions, and what
-- `carry` is.
--
-- A budget is a hash {level, carry, capacity, at_ms, shape}, and `missed` if a shadow limit would have refused; an absent
-- one is full.  It expires a while after it would be full again: Redis holds only what somebody used lately, and an
-- operator can still look at it.
--
-- `shape` is a letter, b(ucket), f(ixed window) or s(liding window), and the window in ms, or the name of a calendar whose
-- bounds are then given: where its window begins, where the next does, and the one after that.
--
-- The clock is Redis's own: the sidecars' clocks need not agree.  Numbers are written by `whole`, because the default
-- conversion makes 600000000 "6e+8" on some versions, and no integer command takes that back.

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local budgets = {}
local KEPT_FULL_MS = 300000
local LONGEST_MS = 1e15 -- Redis refuses an expiry near 2^63

local function whole(number)
  return string.format('%.0f', number)
end

-- Refunds `units`, or charges them if below zero.
local function add(budget, units)
  budget.level = budget.level + units
  if budget.level >= budget.capacity then
    budget.level = budget.capacity
    if not budget.ends then budget.carry = 0 end
  end
  budget.dirty = true
end

-- Puts the budget into the window that holds now.  Beyond the bounds (two clocks that differ by more than a window)
-- windows are as long as the first.
local function enter_window(budget, at_ms, sliding, first, second, third)
  local starts, ends = second, third
  if now_ms < second or now_ms >= third then
    starts = first + math.floor((now_ms - first) / (second - first)) * (second - first)
    ends = starts + second - first
  end
  if at_ms < starts then
    local before = sliding and at_ms >= 2 * starts - ends
    budget.carry = before and math.max(0, budget.capacity - budget.level) or 0
    budget.level = budget.capacity
  end
  budget.starts, budget.ends, budget.sliding = starts, ends, sliding
  if sliding then budget.shade = math.ceil(budget.carry * (ends - now_ms) / (ends - starts)) end
end

-- The budget at `key`, brought to now.  `capacity` counts only if it is absent or, which is the same, full.
-- `ended`: for a lease that was made when the limit may have had another shape; the present one then stays, and a window
-- of a calendar, whose bounds are not known here, is left as it was last changed.
local function open(key, shape, capacity, first, second, third, ended)
  local budget = budgets[key]
  if budget then return budget end
  local bucket = string.byte(shape) == 98
  local window_ms = tonumber(string.sub(shape, 2))
  local stored = redis.call('HMGET', key, 'level', 'carry', 'capacity', 'at_ms', 'shape')
  local at_ms = now_ms
  if stored[1] then
    budget = {level = tonumber(stored[1]), carry = tonumber(stored[2]), capacity = tonumber(stored[3]), shade = 0}
    at_ms = tonumber(stored[4])
    if stored[5] and stored[5] ~= shape then
      if ended then
        shape, capacity, first, second, third = stored[5], budget.capacity, nil, nil, nil
        bucket, window_ms = string.byte(shape) == 98, tonumber(string.sub(shape, 2))
        if not window_ms then
          budget.kept = true
          budgets[key] = budget
          return budget
        end
      else
        budget.carry, budget.dirty, at_ms = 0, true, now_ms
      end
    end
    if bucket and at_ms ~= now_ms then
      local refilled = math.max(0, now_ms - at_ms) * budget.capacity + budget.carry
      budget.carry = math.fmod(refilled, window_ms)
      add(budget, math.floor((refilled - budget.carry) / window_ms + 0.5))
      budget.dirty = false
    end
  else
    budget = {level = capacity, carry = 0, capacity = capacity, shade = 0}
  end
  if not bucket then
    enter_window(budget, at_ms, string.byte(shape) == 115, first or 0, second or window_ms, third or window_ms)
  end
  if budget.level >= budget.capacity then
    budget.level, budget.capacity = capacity, capacity
    budget.dirty = budget.dirty or stored[1] and true
  end
  budget.window_ms, budget.shape = window_ms, shape
  budgets[key] = budget
  return budget
end

-- Follows a changed limit: what is spent stays spent.  Written back at once, because the new rate counts from now on.
local function resize(budget, capacity)
  if budget.capacity == capacity then return end
  budget.level = budget.level + capacity - budget.capacity
  budget.capacity = capacity
  budget.dirty = true
end

-- When it can be forgotten: in so many ms it is full again.
local function full_in_ms(budget)
  if budget.ends then return budget.ends - now_ms + (budget.sliding and budget.ends - budget.starts or 0) end
  return ((budget.capacity - budget.level) * budget.window_ms - budget.carry) / budget.capacity
end

local function store()
  for key, budget in pairs(budgets) do
    if budget.kept and budget.dirty then
      redis.call('HSET', key, 'level', whole(budget.level))
    elseif budget.dirty then
      redis.call('HSET', key, 'level', whole(budget.level), 'carry', whole(budget.carry),
        'capacity', whole(budget.capacity), 'at_ms', whole(now_ms), 'shape', budget.shape)
      redis.call('PEXPIRE', key, whole(math.min(math.max(0, math.ceil(full_in_ms(budget))) + KEPT_FULL_MS, LONGEST_MS)))
    end
  end
end
