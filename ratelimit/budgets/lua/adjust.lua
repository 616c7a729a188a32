-- Gives units back to a budget or, below zero, charges them; peek.lua, put behind it, answers.  A script, because the
-- refill until now needs Redis's clock, and because reservations go on meanwhile.
--
-- KEYS  budget
-- ARGV  as of peek.lua; units; then as of once.lua
-- reply as of peek.lua

if asked_first then
  local capacity = tonumber(ARGV[2])
  local budget = open(KEYS[1], ARGV[1], capacity, tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
  if budget.unreadable then -- an operator's command counts: the budget starts afresh
    redis.call('DEL', KEYS[1])
    budgets[KEYS[1]] = nil
    budget = open(KEYS[1], ARGV[1], capacity, tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
  end
  resize(budget, capacity)
  add(budget, tonumber(ARGV[6]))
  store()
end
