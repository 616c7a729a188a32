-- Fills budgets up; peek.lua, put behind it, answers.  A script, so that it is done once.
--
-- KEYS  budgets
-- ARGV  as of peek.lua; then as of once.lua
-- reply as of peek.lua

if asked_first then
  for _, key in ipairs(KEYS) do
    redis.call('DEL', key)
  end
end
