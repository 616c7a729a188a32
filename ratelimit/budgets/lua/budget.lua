-- The arithmetic of budgets, all of it, for the budgets of a script's run: loaded once, changed in memory, written back at
-- the end.  Not a script of its own: it is put in front of each of the others.  The same as budget.py, which says why there
-- are no fractions, and what `carry` is.
--
-- A budget is a hash {level, carry, capacity, at_ms, shape}, and `missed` if a shadow rule would have refused; an absent
-- one is full. What can be taken now is `level - shade`. A budget expires some time after it would be full again: Redis
-- holds only those that were used lately, and an operator can still look at a full one for a while.
--
-- `shape` is a letter, b(ucket), f(ixed window) or s(liding window), and the window in ms, or the name of a calendar whose
-- bounds are then given: where its window begins, where the next does, and the one after that.
--
-- A budget that cannot be read (another type, or not numbers) is `unreadable`: nothing is taken from it, given back to it
-- or written, and a request that needs it is not decided. The other budgets of the same call are not affected.
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
  if budget.unreadable then return end
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

local function readable(stored)
  if stored.err then return false end
  if not stored[1] then return true end
  local capacity = tonumber(stored[3])
  return tonumber(stored[1]) and tonumber(stored[2]) and tonumber(stored[4]) and capacity and capacity > 0
end

-- The budget at `key`, brought to now. `capacity` counts only if it is absent or full, which is the same. `ended`: opened
-- for a lease that was made when the rule may have had another shape. The budget then keeps its present shape, and a
-- calendar window, whose bounds are not known here, stays as it was last changed.
local function open(key, shape, capacity, first, second, third, ended)
  local budget = budgets[key]
  if budget then return budget end
  local bucket = string.byte(shape) == 98
  local window_ms = tonumber(string.sub(shape, 2))
  local stored = redis.pcall('HMGET', key, 'level', 'carry', 'capacity', 'at_ms', 'shape')
  local at_ms = now_ms
  if not readable(stored) then
    budget = {level = 0, carry = 0, capacity = capacity, shade = 0, unreadable = true}
  elseif stored[1] then
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
  if budget.level >= budget.capacity and not budget.unreadable then
    budget.level, budget.capacity = capacity, capacity
    budget.dirty = budget.dirty or stored[1] and true
  end
  budget.window_ms, budget.shape = window_ms, shape
  budgets[key] = budget
  return budget
end

-- Follows a changed rule: what is spent stays spent.  Written back at once, because the new rate counts from now on.
local function resize(budget, capacity)
  if budget.capacity == capacity or budget.unreadable then return end
  budget.level = budget.level + capacity - budget.capacity
  budget.capacity = capacity
  budget.dirty = true
end

-- Refunds (or, below zero, charges) what was reserved at `at_ms`: in the window that it was reserved in, if that is known.
local function give_back(budget, units, at_ms)
  if not budget.ends or not at_ms or at_ms >= budget.starts then
    add(budget, units)
  elseif budget.sliding and not budget.unreadable and at_ms >= 2 * budget.starts - budget.ends then
    budget.carry = math.max(0, budget.carry - units)
    budget.dirty = true
  end
end

-- Milliseconds until a bucket has gained `units`.
local function refill_ms(budget, units)
  return math.max(0, math.ceil((units * budget.window_ms - budget.carry) / budget.capacity))
end

-- Milliseconds until it holds `wanted`; math.huge if it never will.
local function wait_ms(budget, wanted)
  if wanted > budget.capacity then return math.huge end
  if not budget.ends then return refill_ms(budget, wanted - budget.level) end
  if not budget.sliding then return budget.ends - now_ms end
  local length, room = budget.ends - budget.starts, budget.level - wanted
  if room >= 0 then return budget.ends - math.floor(room * length / budget.carry) - now_ms end
  local spent = budget.capacity - budget.level
  return budget.ends + length - math.floor((budget.capacity - wanted) * length / spent) - now_ms
end

-- Milliseconds until nothing is spent any more, if anything is; for a sliding window an upper bound.
local function full_in_ms(budget)
  if not budget.ends then return refill_ms(budget, budget.capacity - budget.level) end
  return budget.ends - now_ms + (budget.sliding and budget.ends - budget.starts or 0)
end

-- What a request really cost, in the units of a rule that counts by `counts`. 0: what it reserved (a request stays one); 1:
-- input plus output; else the weights of input, output, cached and reasoning tokens in millionths, followed by 1 if the
-- rule counts money: then `cost` counts in their place, unless it is below zero (not known).
local function actual(counts, reserved, input, output, cached, reasoning, cost)
  if counts == 1 then return input + output end
  if counts == 0 then return reserved end
  if counts[5] and cost >= 0 then return cost end
  local sum = counts[1] * input + counts[2] * output + counts[3] * cached + counts[4] * reasoning
  return math.max(0, math.ceil(sum / 1000000))
end

local function store()
  for key, budget in pairs(budgets) do
    if budget.unreadable then
      budget.dirty = false
    elseif budget.kept and budget.dirty then
      redis.call('HSET', key, 'level', whole(budget.level))
    elseif budget.dirty then
      redis.call('HSET', key, 'level', whole(budget.level), 'carry', whole(budget.carry),
        'capacity', whole(budget.capacity), 'at_ms', whole(now_ms), 'shape', budget.shape)
      redis.call('PEXPIRE', key, whole(math.min(full_in_ms(budget) + KEPT_FULL_MS, LONGEST_MS)))
    end
  end
end
