local FIRE_LEAST = 32

-- KEYS meta log | ARGV epoch nonce limit clock(store|log). Moves due timers into the log in one step, so each fires once.
-- At most `limit` entries wait afterwards, but for FIRE_LEAST: a storm of due timers must not bury the live traffic.
local function fire(K, A)
  local m, err = fenced(K[1], A[1], A[2]); if err then return err end
  local at = A[4] == 'log' and tonumber(m[6] or '0') or clock(m[6])
  local timers = base(K[1]) .. 'timers'
  local limit = math.min(tonumber(A[3]), math.max(FIRE_LEAST, tonumber(A[3]) - waiting(K[1])))
  local due = redis.call('ZRANGE', timers, '-inf', ms(at), 'BYSCORE', 'LIMIT', 0, limit)
  for i = 1, #due do
    redis.call('ZREM', timers, due[i])
    redis.call('XADD', K[2], '*', 'a', ms(at), 'e', due[i])
  end
  if #due > 0 then
    redis.call('HINCRBY', K[1], 'in', #due)
    redis.call('HSET', K[1], 'at', ms(at))
  end
  return #due
end

-- KEYS meta log of the destination | ARGV source clock(store|log) blob [source blob ...]. blob: list of {id in the source's
-- outbox, body}. Appends, in order, what came after the last id kept in the field r:<source>; how many of all. That id alone
-- makes it exactly once, so nobody needs to own anything to do it, and to do it late or twice is harmless (docs/adr/0006).
local function relay(K, A)
  local at, total = nil, 0
  for a = 3, #A, 2 do
    local field = 'r:' .. (a == 3 and A[1] or A[a - 1])
    local m = redis.call('HMGET', K[1], field, 'at')
    local last, rows, n = m[1] or '0-0', cmsgpack.unpack(A[a]), 0
    at = at or ms(A[2] == 'log' and tonumber(m[2] or '0') or clock(m[2]))
    for i = 1, #rows do
      local r = rows[i]
      if later(r[1], last) then
        redis.call('XADD', K[2], '*', 'a', at, 'e', r[2])
        last, n = r[1], n + 1
      end
    end
    if n > 0 then
      redis.call('HINCRBY', K[1], 'in', n)
      redis.call('HSET', K[1], 'at', at, field, last)
    end
    total = total + n
  end
  return total
end

local WALKS_KEPT = 500 -- walks of a partition that ended

-- KEYS meta log | ARGV epoch nonce clock(store|log) bound walk came_from cursor record ended('1'|'') blob queued_max('0': none)
-- blob: list of bodies for the log. The walk moves from `came_from` to `cursor` together with its visits, so each is
-- made once. Answers OK; or the error FENCED, BROKEN, STALE (the walk is elsewhere, ended or not known), BACKLOG (so
-- many entries wait in the lane or in the tower's, or so many dispatches for the providers: live traffic comes first).
local function visit(K, A)
  local m, err = fenced(K[1], A[1], A[2]); if err then return err end
  local t, id, bodies = tag(K[1]), A[5], cmsgpack.unpack(A[10])
  local cursor = redis.call('HGET', t .. 'walk-at', id)
  if cursor ~= A[6] then return redis.error_reply('STALE the walk is at ' .. tostring(cursor)) end
  if #bodies > 0 then
    local most = math.max(waiting(K[1]), waiting(t .. 't:meta'))
    if most >= tonumber(A[4]) then return redis.error_reply('BACKLOG ' .. ms(most) .. ' entries wait') end
    local queued = redis.call('HLEN', t .. 'c:d')
    if A[11] ~= '0' and queued >= tonumber(A[11]) then return redis.error_reply('BACKLOG ' .. queued .. ' dispatches wait') end
  end
  -- no write before this line
  local at = ms(A[3] == 'log' and tonumber(m[6] or '0') or clock(m[6]))
  for i = 1, #bodies do redis.call('XADD', K[2], '*', 'a', at, 'e', bodies[i]) end
  if #bodies > 0 then
    redis.call('HINCRBY', K[1], 'in', #bodies)
    redis.call('HSET', K[1], 'at', at)
  end
  redis.call('HSET', t .. 'walks', id, A[8])
  if A[9] ~= '1' then
    redis.call('HSET', t .. 'walk-at', id, A[7])
  else
    redis.call('HDEL', t .. 'walk-at', id); redis.call('HDEL', t .. 'walk-stop', id)
    redis.call('LPUSH', t .. 'walked', id)
    if redis.call('LLEN', t .. 'walked') > WALKS_KEPT then
      redis.call('HDEL', t .. 'walks', redis.call('RPOP', t .. 'walked'))
    end
  end
  return 'OK'
end

redis.register_function('pt_fire', fire)
redis.register_function('pt_relay', relay)
redis.register_function('pt_visit', visit)
