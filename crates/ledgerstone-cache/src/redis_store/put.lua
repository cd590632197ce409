local answers = {}
for n = 3, #ARGV, 11 do
  local key, value, tags, fresh, expires, millis = ARGV[n], ARGV[n + 1], ARGV[n + 2], ARGV[n + 3], ARGV[n + 4], tonumber(ARGV[n + 5])
  local stamp = { i = ARGV[n + 6], g = ARGV[n + 7], l = ARGV[n + 8], p = ARGV[n + 9] }
  local fence = ARGV[n + 10]
  local entry = ns .. 'e:' .. key
  local m = known()
  if stamp.i == '' then
    -- Newer than everything: what began before is overtaken.
    local g = advance()
    redis.call('HSET', ns .. 'm:k:' .. key, 'g', g)
    keep_for(ns .. 'm:k:' .. key, life_of_marker)
    stamp = { i = m.i, g = g, l = m.l or '', p = m.p or '' }
    m = known()
  end
  local held = fence ~= '' and redis.call('HGET', entry, 'f')
  local is_later = held and held ~= '' and tonumber(held) > tonumber(fence)
  if is_later or overtaken(m, key, tags, stamp, false) then
    answers[#answers + 1] = 0
  else
    redis.call('DEL', entry)
    redis.call('HSET', entry, 'v', value, 't', tags, 's', fresh, 'h', expires, 'i', stamp.i, 'g', stamp.g, 'l', stamp.l, 'p', stamp.p, 'f', fence)
    redis.call('PEXPIRE', entry, millis)
    for tag in string.gmatch(tags, '[^\n]+') do
      redis.call('HSETNX', ns .. 'm:t:' .. tag, 'g', zero)
      keep_for(ns .. 'm:t:' .. tag, millis + life_of_marker)
    end
    answers[#answers + 1] = 1
  end
end
return answers
