local id, fence, action, text, delay, keep, rest = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local t = now()
local r, why = held(id, fence, t)
if not r then return why end
if string.find(r[FLAGS], 'C', 1, true) then
  complain(id, r, t, text)
  finish(id, r, t, 'k', keep)
  return {2}
end
if action == 'ack' then
  r[PROGRESS] = '100'
  finish(id, r, t, 'c', keep)
  return {1}
end
complain(id, r, t, text)
if action == 'dead' or action == 'retry' and tonumber(r[ATTEMPT]) >= tonumber(r[MOST]) then
  bury(id, r, t)
  return {3}
end
if action == 'release' then r[ATTEMPT] = int(r[ATTEMPT] - 1) end
call('ZREM', LEASES, id)
r[DUE], r[CHANGED] = int(t + delay), int(t)
place(id, r, t)
write(id, r)
if rest > 0 then call('HSET', META, 'rest', int(t + rest)) end
wake(t)
return {4}
