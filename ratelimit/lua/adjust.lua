-- Gives units back to a budget or, below zero, charges them.  A script, because the refill until now needs Redis's clock,
-- and because reservations go on meanwhile.
--
-- KEYS  budget
-- ARGV  shape, capacity, bounds of the calendar (three numbers; empty without one), units
-- reply what it holds now

local capacity = tonumber(ARGV[2])
local budget = open(KEYS[1], ARGV[1], capacity, tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
resize(budget, capacity)
add(budget, tonumber(ARGV[6]))
store()
return budget.level - budget.shade
