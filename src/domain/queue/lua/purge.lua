local t = now()
local ids = call('ZRANGEBYSCORE', DEAD, '-inf', int(t - tonumber(ARGV[1])), 'LIMIT', 0, 1000)
for _, id in ipairs(ids) do
  call('ZREM', DEAD, id)
  local r = read(id)
  if r then forget(id, r) end
end
return {#ids}
