-- ARGV: 3 the log's id or nothing, 4 its epoch, 5 the position; then kinds and texts by turns.
local m = known()
local is_positioned = false
if ARGV[3] ~= '' then
  local told, told_epoch = ARGV[3] .. '.' .. ARGV[4], tonumber(ARGV[4])
  if m.l == told then
    is_positioned = true
    if ARGV[5] > m.p then redis.call('HSET', meta, 'p', ARGV[5]) end
  else
    local id, epoch = string.match(m.l or '', '^(.*)%.(%d+)$')
    local is_earlier_life = id == ARGV[3] and tonumber(epoch) > told_epoch
    if not is_earlier_life then
      is_positioned = true
      redis.call('HSET', meta, 'l', told, 'p', ARGV[5])
      if m.l then
        redis.call('HSET', meta, 'fg', advance(), 'fp', zero)
        redis.call('DEL', ns .. 'prefixes')
      end
    end
  end
end
if #ARGV < 6 then
  m = known()
  return { m.i, m.g, m.l or '', m.p or '' }
end
local g, p = zero, zero
if is_positioned then p = ARGV[5] else g = advance() end
m = known()
local function larger(a, b) if a and a > b then return a end return b end
local function mark(name)
  local k = redis.call('HMGET', ns .. name, 'g', 'p', 'l')
  if is_positioned then
    local before = k[3] == m.l and k[2]
    redis.call('HSET', ns .. name, 'p', larger(before, p), 'l', m.l)
  else
    redis.call('HSET', ns .. name, 'g', larger(k[1], g))
  end
  keep_for(ns .. name, life_of_marker)
end
for n = 6, #ARGV, 2 do
  local kind, text = ARGV[n], ARGV[n + 1]
  if kind == 't' then
    mark('m:t:' .. text)
  elseif kind == 'k' then
    mark('m:k:' .. text)
    -- The marker may end before the entry would.
    local e = redis.call('HMGET', ns .. 'e:' .. text, 'i', 'g', 'l', 'p', 't')
    local stamp = { i = e[1], g = e[2], l = e[3], p = e[4] }
    if e[1] and overtaken(m, text, e[5], stamp, true) then redis.call('DEL', ns .. 'e:' .. text) end
  elseif kind == 'p' then
    local before = redis.call('HGET', ns .. 'prefixes', text)
    local bg, bp = before and string.sub(before, 1, 20), before and string.sub(before, 21, 40)
    redis.call('HSET', ns .. 'prefixes', text, larger(bg, g) .. larger(bp, p))
  else
    redis.call('HSET', meta, 'fg', larger(m.fg, g), 'fp', larger(m.fp, p))
    m = known()
  end
end
-- Each prefix is compared with each key: too many become one of everything.
if redis.call('HLEN', ns .. 'prefixes') > 64 then
  redis.call('HSET', meta, 'fg', advance())
  redis.call('DEL', ns .. 'prefixes')
end
m = known()
return { m.i, m.g, m.l or '', m.p or '' }
