-- One job by its id, or a stretch of a set.
local ids = {ARGV[1]}
if ARGV[1] == '' then
  ids = call('ZRANGE', KEYS[tonumber(ARGV[2])], ARGV[3], ARGV[4])
  for i, id in ipairs(ids) do
    if #id > 16 and string.sub(id, -17, -17) == '\31' then ids[i] = int(tonumber(string.sub(id, -16))) end
  end
end
local out = {}
for _, id in ipairs(ids) do
  local text = call('HGET', STATE, id)
  if text then out[#out + 1] = {id, text, call('HGET', JOBS, id), call('HGET', ERRORS, id)} end
end
return out
