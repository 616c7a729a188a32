-- What budgets hold now.  A script, because the refill until now needs Redis's clock; it writes nothing.
--
-- KEYS  budgets
-- ARGV  per budget: shape, capacity, bounds of the calendar (three numbers; empty without one)
-- reply now_ms; then per budget: what it holds (nothing if it cannot be read); when it is full again (ms from now); how often its rule would have
--       refused, had it not been a shadow

local reply = {now_ms}
for i, key in ipairs(KEYS) do
  local at = 5 * i - 4
  local capacity = tonumber(ARGV[at + 1])
  local budget = open(key, ARGV[at], capacity, tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]))
  resize(budget, capacity)
  local held = budget.level - budget.shade
  reply[#reply + 1] = held
  reply[#reply + 1] = held < capacity and full_in_ms(budget) or 0
  reply[#reply + 1] = not budget.unreadable and tonumber(redis.call('HGET', key, 'missed') or 0) or 0
end
return reply
