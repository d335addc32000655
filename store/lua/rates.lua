-- What all couriers share of a provider: how fast, and how much a day.

-- KEYS bucket | ARGV wanted per_s burst. Answers {granted, ms until there is one more}. What is refused writes nothing.
local function take(K, A)
  local wanted, per_s, burst, now = tonumber(A[1]), tonumber(A[2]), tonumber(A[3]), clock()
  local m = redis.call('HMGET', K[1], 'n', 'at')
  local since = math.max(0, now - tonumber(m[2] or now))
  local n = math.min(burst, tonumber(m[1] or burst) + since * per_s / 1000)
  local granted = math.max(0, math.min(wanted, math.floor(n + 1e-6)))
  if granted > 0 then
    n = math.max(0, n - granted)
    redis.call('HSET', K[1], 'n', string.format('%.9f', n), 'at', ms(math.max(now, tonumber(m[2] or '0'))))
    redis.call('PEXPIRE', K[1], ms(math.ceil(burst / per_s * 1000) + 60000)) -- full again by then
  end
  return { granted, n >= 1 and 0 or math.max(1, math.ceil((1 - n) * 1000 / per_s - 1e-6)) }
end

local function day_of(at)  -- of UTC, YYYY-MM-DD (civil from days, Howard Hinnant)
  local z = math.floor(at / 86400000) + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return string.format('%04d-%02d-%02d', year, month, doy - math.floor((153 * mp + 2) / 5) + 1)
end

-- KEYS spent, without its day | ARGV wanted per_day. Answers how many were granted of the store's UTC day.
local function spend(K, A)
  local key = K[1] .. day_of(clock())
  local left = tonumber(A[2]) - tonumber(redis.call('GET', key) or '0')
  local granted = math.max(0, math.min(tonumber(A[1]), left))
  if granted > 0 then
    redis.call('INCRBY', key, ms(granted))
    redis.call('EXPIRE', key, 259200)
  end
  return granted
end

-- KEYS spent, without its day | ARGV count. Gives back to today's; never below nothing spent. Answers what was given back.
local function refund(K, A)
  local key = K[1] .. day_of(clock())
  local back = math.min(tonumber(A[1]), tonumber(redis.call('GET', key) or '0'))
  if back > 0 then redis.call('DECRBY', key, ms(back)) end
  return math.max(0, back)
end

redis.register_function('pt_take', take)
redis.register_function('pt_spend', spend)
redis.register_function('pt_refund', refund)
