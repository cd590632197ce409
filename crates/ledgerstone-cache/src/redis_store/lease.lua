local lease = ns .. 'l:' .. ARGV[3]
if redis.call('EXISTS', lease) == 1 then return false end
local fence = redis.call('HINCRBY', meta, 'fence', 1)
redis.call('SET', lease, fence, 'PX', ARGV[4])
return fence
