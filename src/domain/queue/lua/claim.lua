local n, lease, worker, wait, keep = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local weights, seed = ARGV[6], tonumber(ARGV[7])
local t = now()
reap(t, keep)
local meta = call('HMGET', META, 'paused', 'rest', 'waiting')
local rest = tonumber(meta[2] or '0')

-- The first of a level by the levels' weights.
local function weighted()
  local levels, sum = {}, 0
  for level = 0, 9 do
    local weight = string.byte(weights, 10 - level)
    if weight > 0 then
      local low = level * 281474976710656
      local first = call('ZRANGEBYSCORE', READY, int(low), '(' .. int(low + 281474976710656), 'LIMIT', 0, 1)[1]
      if first then
        levels[#levels + 1] = {weight, first}
        sum = sum + weight
      end
    end
  end
  if sum == 0 then return nil end
  seed = (seed * 48271) % 2147483647
  local at = seed % sum
  for _, level in ipairs(levels) do
    if at < level[1] then
      call('ZREM', READY, level[2])
      return level[2]
    end
    at = at - level[1]
  end
end

local out = {}
if not meta[1] and rest <= t then
  for _ = 1, n + 100 do
    if #out == n then break end
    local id
    if weights ~= '' then id = weighted() else id = call('ZPOPMIN', READY)[1] end
    if not id then break end
    local r = read(id)
    if r and tonumber(r[DEADLINE]) > 0 and tonumber(r[DEADLINE]) <= t then
      complain(id, r, t, 'its time was over before it was taken')
      bury(id, r, t)
    elseif r then
      r[STATUS], r[ATTEMPT], r[CHANGED] = 'l', int(r[ATTEMPT] + 1), int(t)
      r[FENCE] = int(call('HINCRBY', META, 'fence', 1))
      r[LEASE], r[WORKER] = int(t + lease), worker
      call('ZADD', LEASES, r[LEASE], id)
      write(id, r)
      local check = false
      if string.find(r[FLAGS], 'K', 1, true) then check = call('HGET', CHECKS, id) end
      out[#out + 1] = {id, table.concat(r, '\31') .. '\31', call('HGET', JOBS, id), check}
    end
  end
end
if #out > 0 then
  if meta[3] and tonumber(meta[3]) > t and call('ZCARD', READY) > 0 then wake(t) end
  return {-1, out}
end
-- Nothing: until when, and whoever brings something is told that somebody waits.
local next = rest > t and rest or -1
if not meta[1] then
  for _, set in ipairs({DELAYED, LEASES}) do
    local first = call('ZRANGE', set, 0, 0, 'WITHSCORES')[2]
    if first and (next < 0 or tonumber(first) < next) and rest <= tonumber(first) then next = tonumber(first) end
  end
end
if wait > 0 then
  call('DEL', WAKE)
  local until_ms = t + wait
  if until_ms > tonumber(meta[3] or '0') then call('HSET', META, 'waiting', int(until_ms)) end
end
if next >= 0 then next = math.max(next - t, 1) end
return {next, out}
