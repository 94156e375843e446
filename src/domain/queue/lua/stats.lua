local t = now()
local oldest = t
for level = 0, 9 do
  local low = level * 281474976710656
  local first = call('ZRANGEBYSCORE', READY, int(low), '(' .. int(low + 281474976710656), 'LIMIT', 0, 1)[1]
  local r = first and read(first)
  if r then oldest = math.min(oldest, tonumber(r[SINCE])) end
end
local meta = call('HMGET', META, 'id', 'fence', 'paused')
return {call('ZCARD', READY), call('ZCARD', LEASES), call('ZCARD', DELAYED), call('ZCARD', WAITING), call('ZCARD', DEAD),
  call('ZCARD', DONE), tonumber(meta[1] or '0'), tonumber(meta[2] or '0'), meta[3] and 1 or 0, t - oldest}
