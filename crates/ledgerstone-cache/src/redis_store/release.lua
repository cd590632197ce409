local lease = ns .. 'l:' .. ARGV[3]
if redis.call('GET', lease) == ARGV[4] then redis.call('DEL', lease) end
return 1
