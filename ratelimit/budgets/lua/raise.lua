-- Compares budgets with what the ledger says was spent, and raises what is counted as spent to that, never the other way.
-- A script, because reservations go on meanwhile.
--
-- A refilling bucket is raised only if it is absent: what the ledger has for its last window is more than it holds as
-- spent. A budget that cannot be read is treated as absent, and replaced.
--
-- KEYS  budgets
-- ARGV  1 to raise, 0 to look; per budget: shape, capacity, bounds of the calendar (three numbers; empty without one);
--       where its window begins (ms; empty for a bucket); spent in it, and in the window before if it slides; the least
--       that it must count as spent to be raised (empty: any), so that what was given back meanwhile stays given back
-- reply now_ms; per budget: what it counted as spent; in the window before; 1 if it was raised

local raising, reply = ARGV[1] == '1', {now_ms}
for i, key in ipairs(KEYS) do
  local at = 9 * i - 7
  local capacity, starts = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 5])
  local spent, before, least = tonumber(ARGV[at + 6]), tonumber(ARGV[at + 7]), tonumber(ARGV[at + 8])
  local absent, counted = redis.call('EXISTS', key) == 0, nil
  local function opened()
    return open(key, ARGV[at], capacity, tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]))
  end
  local budget = opened()
  if budget.unreadable then
    counted = -1
    if raising then
      redis.call('DEL', key)
      budgets[key], absent = nil, true
      budget = opened()
    end
  end
  resize(budget, capacity)
  counted = counted or capacity - budget.level
  local carried, raised = budget.sliding and budget.carry or 0, 0
  local fits = budget.ends and budget.starts == starts or not budget.ends and absent
  if raising and fits and counted >= (least or counted) then
    if spent > counted then
      budget.level, budget.dirty, raised = capacity - spent, true, 1
    end
    if budget.sliding and before > carried then
      budget.carry, budget.dirty, raised = before, true, 1
    end
  end
  reply[#reply + 1] = counted
  reply[#reply + 1] = carried
  reply[#reply + 1] = raised
end
if raising then store() end
return reply
