if ARGV[1] == '1' then
  call('HSET', META, 'paused', '1')
else
  call('HDEL', META, 'paused', 'rest')
  wake(now())
end
return {1}
