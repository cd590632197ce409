-- Takes from every rule that binds a key, or from none, by the clock of the server.
--
-- KEYS: what the key has used; what binds it instead of the common rules.
-- ARGV: the cost; the common rules; whether to look only.
-- Answer: 1 allowed, 0 refused, -1 more than a rule can ever have; microseconds to wait; the time;
-- the override, or ''; of each rule what is left and in how many microseconds it is whole again;
-- the number of the rule that refused.
--
-- The arithmetic is that of the local limiter, in numbers that a double holds exactly.

local function modulo(a, b) return math.fmod(a, b) end
local function div(a, b) return (a - math.fmod(a, b)) / b end
local function ceil(a, b) return div(a + b - 1, b) end
local function until_tick(rule, tick, now) return math.max(tick * rule.tick - now, 0) end

local meters = {}

meters.fixed_window = {
  roll = function(rule, tally, now)
    local at = now - modulo(now, rule.per)
    if tally.at < at then tally.used = 0 end
    tally.at, tally.before = at, 0
  end,
  wait = function(rule, tally, now, cost)
    if tally.used + cost <= rule.limit then return 0 end
    return tally.at + rule.per - now
  end,
  take = function(rule, tally, cost) tally.used = tally.used + cost end,
  look = function(rule, tally, now)
    local resets = 0
    if tally.used > 0 then resets = tally.at + rule.per - now end
    return math.max(rule.limit - tally.used, 0), resets
  end,
}

meters.sliding_window = {
  roll = function(rule, tally, now)
    local tick = div(now, rule.tick)
    tally.run = modulo(tick, rule.per)
    local at = tick - tally.run
    if tally.at + rule.per == at then
      tally.before, tally.used = tally.used, 0
    elseif tally.at < at then
      tally.before, tally.used = 0, 0
    end
    tally.at = at
  end,
  wait = function(rule, tally, now, cost)
    local per, used = rule.per, tally.used + cost
    if tally.before * (per - tally.run) + used * per <= rule.limit * per then return 0 end
    local begin, room, counted = tally.at, rule.limit - used, tally.before
    if used > rule.limit then
      begin, room, counted = tally.at + per, math.max(rule.limit - cost, 0), tally.used
    end
    local may_count = per
    if counted > 0 then may_count = div(room * per, counted) end
    return until_tick(rule, begin + math.max(per - may_count, 0), now)
  end,
  take = function(rule, tally, cost) tally.used = tally.used + cost end,
  look = function(rule, tally, now)
    local of_before = ceil(tally.before * (rule.per - tally.run), rule.per)
    local resets = 0
    if tally.used > 0 then
      resets = until_tick(rule, tally.at + 2 * rule.per, now)
    elseif tally.before > 0 then
      resets = until_tick(rule, tally.at + rule.per, now)
    end
    return math.max(rule.limit - tally.used - of_before, 0), resets
  end,
}

meters.token_bucket = {
  roll = function(rule, tally, now)
    local tick = div(now, rule.tick)
    local passed = math.max(tick - tally.at, 0)
    tally.used = math.max(tally.used - passed * rule.refill, 0)
    tally.at, tally.before = tick, 0
  end,
  wait = function(rule, tally, now, cost)
    local used = tally.used + cost * rule.token
    if used <= rule.room then return 0 end
    return until_tick(rule, tally.at + ceil(used - rule.room, rule.refill), now)
  end,
  take = function(rule, tally, cost) tally.used = tally.used + cost * rule.token end,
  look = function(rule, tally, now)
    local resets = 0
    if tally.used > 0 then resets = until_tick(rule, tally.at + ceil(tally.used, rule.refill), now) end
    return div(math.max(rule.room - tally.used, 0), rule.token), resets
  end,
}

-- Adds a cost to the time that is kept.
local function later(rule, tally, cost)
  local rest = tally.used + cost * rule.rest
  return tally.at + cost * rule.whole + div(rest, rule.parts), modulo(rest, rule.parts)
end

meters.gcra = {
  roll = function(rule, tally, now)
    local tick = div(now, rule.tick)
    local latest = tick + rule.ahead
    if tally.at < tick then
      tally.at, tally.used = tick, 0
    elseif tally.at > latest or (tally.at == latest and tally.used > rule.ahead_rest) then
      tally.at, tally.used = latest, rule.ahead_rest
    end
    tally.tick, tally.before = tick, 0
  end,
  wait = function(rule, tally, now, cost)
    local at, rest = later(rule, tally, cost)
    local latest = tally.tick + rule.ahead
    if at < latest or (at == latest and rest <= rule.ahead_rest) then return 0 end
    local tick = at - rule.ahead
    if rest > rule.ahead_rest then tick = tick + 1 end
    return until_tick(rule, tick, now)
  end,
  take = function(rule, tally, cost) tally.at, tally.used = later(rule, tally, cost) end,
  look = function(rule, tally, now)
    local free = (tally.tick + rule.ahead - tally.at) * rule.parts + rule.ahead_rest - tally.used
    local resets = 0
    if tally.at > tally.tick or tally.used > 0 then
      local at = tally.at
      if tally.used > 0 then at = at + 1 end
      resets = until_tick(rule, at, now)
    end
    return div(free, rule.step), resets
  end,
}

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local cost, only_look = tonumber(ARGV[1]), ARGV[3] == '1'

local override = redis.call('GET', KEYS[2])
local bound = cjson.decode(override or ARGV[2])
if bound.kind ~= 'rules' then
  return { bound.kind == 'unlimited' and 1 or 0, 0, now, override, {}, 0 }
end

local ids = {}
for index, rule in ipairs(bound.rules) do ids[index] = rule.id end
local kept = redis.call('HMGET', KEYS[1], unpack(ids))

local tallies, longest, refused_by = {}, 0, 0
for index, rule in ipairs(bound.rules) do
  if cost > rule.most then return { -1, 0, now, override or '', {}, index } end
  local at, used, before = string.match(kept[index] or '0 0 0', '(%S+) (%S+) (%S+)')
  local tally = { at = tonumber(at), used = tonumber(used), before = tonumber(before) }
  meters[rule.kind].roll(rule, tally, now)
  local wait = 0
  if cost > 0 then wait = meters[rule.kind].wait(rule, tally, now, cost) end
  if wait > longest then longest, refused_by = wait, index end
  tallies[index] = tally
end

local states, keep_for, changed = {}, 0, {}
for index, rule in ipairs(bound.rules) do
  local tally, meter = tallies[index], meters[rule.kind]
  if longest == 0 and cost > 0 and not only_look then
    meter.take(rule, tally, cost)
    changed[#changed + 1] = rule.id
    changed[#changed + 1] = string.format('%.0f %.0f %.0f', tally.at, tally.used, tally.before)
  end
  local left, resets = meter.look(rule, tally, now)
  states[#states + 1], states[#states + 2] = left, resets
  keep_for = math.max(keep_for, resets)
end
if #changed > 0 then
  redis.call('HSET', KEYS[1], unpack(changed))
  -- Other nodes may still count by other rules, which end later.
  local ttl = ceil(keep_for, 1000) + 1
  if redis.call('PTTL', KEYS[1]) < ttl then redis.call('PEXPIRE', KEYS[1], ttl) end
end
return { longest == 0 and 1 or 0, longest, now, override or '', states, refused_by }
