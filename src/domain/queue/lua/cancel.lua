local id, owner, keep = ARGV[1], ARGV[2], tonumber(ARGV[3])
local t = now()
local r = read(id)
if not r or owner ~= '0' and r[OWNER] ~= owner then return {-1} end
if r[STATUS] == 'l' then
  if not string.find(r[FLAGS], 'C', 1, true) then
    r[FLAGS] = r[FLAGS] .. 'C'
    write(id, r)
  end
  return {2}
end
if r[STATUS] ~= 'r' and r[STATUS] ~= 'd' and r[STATUS] ~= 'w' then return {-2, r[STATUS]} end
finish(id, r, t, 'k', keep)
return {1}
