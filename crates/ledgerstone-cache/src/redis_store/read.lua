local m = known()
local found = {}
for n = 3, #ARGV do
  local key = ARGV[n]
  local entry = ns .. 'e:' .. key
  local e = redis.call('HMGET', entry, 'v', 't', 's', 'h', 'i', 'g', 'l', 'p', 'f')
  local left = redis.call('PTTL', entry)
  local stamp = { i = e[5], g = e[6], l = e[7], p = e[8] }
  if e[1] and left > 0 and not overtaken(m, key, e[2], stamp, true) then
    e[10] = tostring(left)
    found[#found + 1] = e
  else
    found[#found + 1] = false
  end
end
return { m.i, m.g, m.l or '', m.p or '', found }
