local t = now()
local due, over, buried = reap(t, tonumber(ARGV[1]))
if due + over > 0 then wake(t) end
return {due, over, buried}
