local payload, priority, group, key, window = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local delay, deadline, owner, most, max = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8], ARGV[9], tonumber(ARGV[10])
local t = now()
local event = tonumber(ARGV[11])
if event > 0 then
  local id = call('GET', KEYS[16])
  if id then return {0, id} end
end
local mode, word = string.sub(key, 1, 1), string.sub(key, 2)
if mode == 't' then
  local id = call('GET', KEYS[15])
  if id then return {0, id} end
elseif mode ~= '' then
  local id = call('HGET', DEDUPE, word)
  local r = id and read(id)
  if r then
    if mode == 'u' then return {0, id} end
    if r[STATUS] ~= 'l' then
      if mode ~= 'q' then call('HSET', JOBS, id, payload) end
      if mode == 'b' and r[STATUS] ~= 'r' then
        r[DUE] = int(t + window)
        if r[STATUS] == 'd' then call('ZADD', DELAYED, r[DUE], id) end
        write(id, r)
      end
      return {0, id}
    end
  end
end
if max > 0 and call('ZCARD', READY) + call('ZCARD', DELAYED) + call('ZCARD', WAITING) >= max then return {-1} end
local id = int(call('HINCRBY', META, 'id', 1))
call('HSET', JOBS, id, payload)
if mode == 'b' then delay = window end
local r = {'r', priority, group, '', '0', most, int(t), int(t), '0', '0', owner, '0', '0', '', '0', ''}
if mode ~= '' and mode ~= 't' then
  r[KEY] = key
  call('HSET', DEDUPE, word, id)
end
if delay > 0 then r[DUE] = int(t + delay) end
if deadline > 0 then r[DEADLINE] = int(t + deadline) end
enter(id, r, t)
write(id, r)
if mode == 't' then call('SET', KEYS[15], id, 'PX', ARGV[5]) end
if event > 0 then call('SET', KEYS[16], id, 'PX', ARGV[11]) end
if r[STATUS] ~= 'w' then wake(t) end
return {1, id}
