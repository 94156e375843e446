local id, owner = ARGV[1], ARGV[2]
local t = now()
local r = read(id)
if not r or owner ~= '0' and r[OWNER] ~= owner then return {-1} end
if r[STATUS] ~= 'x' then return {-2, r[STATUS]} end
call('ZREM', DEAD, id)
r[ATTEMPT], r[DUE], r[DEADLINE], r[CHANGED], r[KEY] = '0', '0', '0', int(t), ''
enter(id, r, t)
write(id, r)
wake(t)
return {1}
