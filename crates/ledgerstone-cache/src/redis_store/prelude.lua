-- What every script shares. KEYS[1] is the hash that tells what the store knows: i its life, g how many
-- invalidations without a position there were, l and p up to where which log was told, fg and fp what of all
-- is overtaken, fence the last one. Numbers that are compared have twenty digits.
local meta, ns = KEYS[1], ARGV[1]
local zero = '00000000000000000000'
local life_of_marker = 3600000
if redis.call('HSETNX', meta, 'i', ARGV[2]) == 1 then redis.call('HSET', meta, 'g', zero) end

local function known()
  local m = redis.call('HMGET', meta, 'i', 'g', 'l', 'p', 'fg', 'fp')
  return { i = m[1], g = m[2], l = m[3], p = m[4], fg = m[5], fp = m[6] }
end

local function pad(number)
  local text = string.format('%.0f', number)
  return string.rep('0', 20 - #text) .. text
end

local function advance()
  local g = pad(tonumber(redis.call('HGET', meta, 'g')) + 1)
  redis.call('HSET', meta, 'g', g)
  return g
end

local function keep_for(key, millis)
  if redis.call('PTTL', key) < millis then redis.call('PEXPIRE', key, millis) end
end

-- Tells whether an invalidation covers an entry that began at this stamp; with `strict`, a tag whose marker was
-- evicted counts as one, since nobody knows what it said.
local function overtaken(m, key, tags, e, strict)
  if e.i ~= m.i or (e.l ~= '' and m.l and e.l ~= m.l) then return true end
  local p = e.l == '' and zero or e.p
  local function by(g, position, l) return (g and e.g < g) or (position and l == m.l and p < position) end
  if by(m.fg, m.fp, m.l) then return true end
  local function marked(name)
    local k = redis.call('HMGET', ns .. name, 'g', 'p', 'l')
    return by(k[1], k[2], k[3])
  end
  if marked('m:k:' .. key) then return true end
  for tag in string.gmatch(tags, '[^\n]+') do
    if marked('m:t:' .. tag) then return true end
    if strict and redis.call('EXISTS', ns .. 'm:t:' .. tag) == 0 then return true end
  end
  local prefixes = redis.call('HGETALL', ns .. 'prefixes')
  for n = 1, #prefixes, 2 do
    local prefix, g, position = prefixes[n], string.sub(prefixes[n + 1], 1, 20), string.sub(prefixes[n + 1], 21, 40)
    if string.sub(key, 1, #prefix) == prefix and by(g, position, m.l) then return true end
  end
  return false
end
