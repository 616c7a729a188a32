-- Looks for kept answers.
--
-- KEYS  of each: the answer; who is at it; its owner's answers by when each was used
-- ARGV  how long a claim holds, in ms; of each: its name among its owner's answers, the lease, 1 if it claims
-- Gives of each: the answer; or 1 if nobody is at it, or if what is there is no answer; 0 if somebody is

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {}
for i = 1, #KEYS / 3 do
  local answer, claim, used = KEYS[3 * i - 2], KEYS[3 * i - 1], KEYS[3 * i]
  local name, lease, claims = ARGV[3 * i - 1], ARGV[3 * i], ARGV[3 * i + 1]
  local stored = redis.pcall('GET', answer) -- one that cannot be read must not fail the others of the batch
  if type(stored) == 'table' then
    found[i] = 1
  elseif stored then
    redis.pcall('ZADD', used, 'XX', now, name)
    found[i] = stored
  elseif claims == '1' and redis.call('SET', claim, lease, 'NX', 'PX', ARGV[1]) then
    found[i] = 1
  else
    local by = redis.call('GET', claim)
    found[i] = (not by or by == lease) and 1 or 0
  end
end
return found
