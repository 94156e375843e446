local id, fence, lease, progress, check = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local t = now()
local r, why = held(id, fence, t)
if not r then return why end
if lease > 0 then
  r[LEASE] = int(t + lease)
  call('ZADD', LEASES, r[LEASE], id)
end
if progress > tonumber(r[PROGRESS]) then r[PROGRESS] = int(progress) end
if check ~= '' then
  call('HSET', CHECKS, id, string.sub(check, 2))
  if not string.find(r[FLAGS], 'K', 1, true) then r[FLAGS] = r[FLAGS] .. 'K' end
end
write(id, r)
return {1, string.find(r[FLAGS], 'C', 1, true) and 1 or 0}
