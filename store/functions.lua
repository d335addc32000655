#!lua name=playtower
-- The commit protocol as one function library (Redis 7 Functions; DESIGN section 2, docs/adr/0002).
-- KEYS[1] is always the meta hash of one lane of one partition, "{17}:meta" (players) or "{17}:t:meta" (tower).
-- Every other key is derived from it, so it carries the same hash tag and lives in the same cluster slot.
-- A function that fails half way is not rolled back: every check stands before the first write.
-- Numbers that matter (versions, offsets, money) travel as strings; Lua's are doubles.

local function base(meta) return string.sub(meta, 1, -5) end          -- "{17}:t:"
local function tag(meta) return string.match(meta, '^({[^}]*}:)') end -- "{17}:"

local function clock(at)  -- store time in ms, never before `at`
  local t = redis.call('TIME')
  local now = t[1] * 1000 + math.floor(t[2] / 1000)
  local last = tonumber(at or '0')
  if last > now then return last end
  return now
end

local function ms(n) return string.format('%.0f', n) end

local function waiting(meta)  -- entries of a lane that are not done
  local m = redis.call('HMGET', meta, 'in', 'done')
  return tonumber(m[1] or '0') - tonumber(m[2] or '0')
end

local function later(id, than)  -- stream ids: "<ms>-<n>"
  local ms1, n1 = string.match(id, '^(%d+)-(%d+)$')
  local ms2, n2 = string.match(than, '^(%d+)-(%d+)$')
  ms1, ms2 = tonumber(ms1), tonumber(ms2)
  if ms1 ~= ms2 then return ms1 > ms2 end
  return tonumber(n1) > tonumber(n2)
end

-- Fields of the meta hash: epoch nonce owner until off seq tries in done at part broken, r:<source> (see relay)
local function fenced(meta, epoch, nonce)
  local m = redis.call('HMGET', meta, 'epoch', 'nonce', 'off', 'seq', 'broken', 'at')
  if m[5] then return nil, redis.error_reply('BROKEN ' .. m[5]) end
  if m[1] ~= epoch or m[2] ~= nonce then
    return nil, redis.error_reply('FENCED current epoch ' .. tostring(m[1]))
  end
  return m
end

-- ARGV owner nonce ttl_ms. Answers {epoch, off, seq, tries, part, at}, or HELD while another's lease runs.
-- `tries` counts acquisitions at one offset: an entry that kills its process is found by it.
local function acquire(K, A)
  local m = redis.call('HMGET', K[1], 'owner', 'until', 'broken', 'at')
  if m[3] then return redis.error_reply('BROKEN ' .. m[3]) end
  local now = clock()
  if m[1] and m[1] ~= A[1] and tonumber(m[2] or '0') > now then return redis.error_reply('HELD by ' .. m[1]) end
  local epoch = redis.call('HINCRBY', K[1], 'epoch', 1)
  local tries = redis.call('HINCRBY', K[1], 'tries', 1)
  redis.call('HSET', K[1], 'nonce', A[2], 'owner', A[1], 'until', ms(now + A[3]))
  redis.call('HSETNX', K[1], 'off', '0-0'); redis.call('HSETNX', K[1], 'seq', '0')
  local r = redis.call('HMGET', K[1], 'off', 'seq', 'part')
  return { tostring(epoch), r[1], r[2], tostring(tries), r[3] or '', m[4] or '0' }
end

-- ARGV epoch nonce ttl_ms. Liveness only: safety is the comparison inside every write.
local function renew(K, A)
  local _, err = fenced(K[1], A[1], A[2]); if err then return err end
  redis.call('HSET', K[1], 'until', ms(clock() + A[3]))
  return 'OK'
end

-- ARGV epoch nonce. Ends the lease at once, so that another may acquire.
local function release(K, A)
  local _, err = fenced(K[1], A[1], A[2]); if err then return err end
  redis.call('HSET', K[1], 'until', '0', 'tries', '0')
  return 'OK'
end

-- One value of a dedupe bucket: lines "<offset>|<fingerprint>|<player>", one a player that used the message id.
local function met(value, player)
  for line in string.gmatch(value, '[^\n]+') do
    local off, fp, who = string.match(line, '^([^|]+)|([^|]*)|(.*)$')
    if who == player then return off, fp end
  end
end

-- KEYS meta log | ARGV bound clock(store|log) keep_ms blob
-- blob: list of {player, message id, fingerprint, bucket, other bucket or '', occurred ms, body}.
-- bound: most entries waiting, '0' = exempt (internal). Appends all that are new, or none: BACKLOG.
-- Answers one string each: "+<offset>" appended, "=<offset>" duplicate, "!<offset>" same id with other content.
local function ingest(K, A)
  local m = redis.call('HMGET', K[1], 'in', 'done', 'at')
  local events = cmsgpack.unpack(A[4])
  local n = #events
  local waiting = tonumber(m[1] or '0') - tonumber(m[2] or '0')
  local bound = tonumber(A[1])
  if bound > 0 and waiting + n > bound then return redis.error_reply('BACKLOG ' .. ms(waiting) .. ' entries wait') end
  local logclock = A[2] == 'log'
  local at = logclock and tonumber(m[3] or '0') or clock(m[3])
  local ded = tag(K[1]) .. 'd:'
  local out, fresh, buckets = {}, 0, {}
  for i = 1, n do
    local e = events[i]
    local known, off, fp = nil, nil, nil
    for b = 4, 5 do
      if not off and e[b] ~= '' then
        local v = redis.call('HGET', ded .. e[b], e[2])
        if v then
          if b == 4 then known = v end
          off, fp = met(v, e[1])
        end
      end
    end
    if off then
      out[i] = (fp == e[3] and '=' or '!') .. off
    else
      if logclock and e[6] > at then at = e[6] end
      local id = redis.call('XADD', K[2], '*', 'a', ms(at), 'e', e[7])
      redis.call('HSET', ded .. e[4], e[2], (known and (known .. '\n') or '') .. id .. '|' .. e[3] .. '|' .. e[1])
      buckets[e[4]] = true
      fresh = fresh + 1
      out[i] = '+' .. id
    end
  end
  if fresh > 0 then
    redis.call('HSET', K[1], 'in', ms(tonumber(m[1] or '0') + fresh), 'at', ms(at))
    local keep = tonumber(A[3])
    for b in next, buckets do
      redis.call('SADD', tag(K[1]) .. 'buckets', b) -- where a trace looks
      if keep > 0 then redis.call('PEXPIREAT', ded .. b, ms(math.max(at, (tonumber(b) + 1) * 43200000) + keep)) end
    end
  end
  return out
end

-- Appends the outputs of a commit to the log of another lane (the tower's), counting them in.
-- `given` is the record's time in a store made with --clock log, '' otherwise.
local function append(meta, log, bodies, given)
  if #bodies == 0 then return end
  local last = redis.call('HGET', meta, 'at') or '0'
  local at = ms(given == '' and clock(last) or math.max(tonumber(given), tonumber(last)))
  for i = 1, #bodies do redis.call('XADD', log, '*', 'a', at, 'e', bodies[i]) end
  redis.call('HINCRBY', meta, 'in', #bodies)
  redis.call('HSET', meta, 'at', at)
end

local DUPLICATES_MAX = 10000

-- The rest of a commit: who is where, what goes to other logs, walks, exclusions, proposals for a person.
local function beside(t, more)
  local groups, relays, walks, stops, duplicates = more[1], more[2], more[3], more[4], more[5]
  for i = 1, #groups do
    local g = groups[i]
    if g[1] == '+' then redis.call('ZADD', t .. 'g:' .. g[2], 0, g[3]) else redis.call('ZREM', t .. 'g:' .. g[2], g[3]) end
  end
  for i = 1, #relays do redis.call('XADD', t .. 'out', '*', 'd', relays[i][1], 'e', relays[i][2]) end
  for i = 1, #walks do
    local w = walks[i]
    if w[2] == '' then
      if redis.call('HEXISTS', t .. 'walk-at', w[1]) == 1 then redis.call('HSET', t .. 'walk-stop', w[1], '1') end
    elseif redis.call('HSETNX', t .. 'walks', w[1], w[2]) == 1 then -- an id is walked once
      redis.call('HSET', t .. 'walk-at', w[1], '')
    end
  end
  for i = 1, #stops do redis.call('HSET', t .. 'stop', stops[i][1], stops[i][2]) end
  for i = 1, #duplicates do
    redis.call('XADD', t .. 'duplicates', 'MAXLEN', '~', DUPLICATES_MAX, '*', 'd', duplicates[i])
  end
end

-- KEYS meta log | ARGV epoch nonce off_from off_to at|'' blob. All of a batch, or nothing.
-- blob: {done, writes, history, inbox, outputs, keys, timers, publishes, part, dead, index, more | absent}
--   writes  {player, version from, version to, {field, value, ...}}       snapshots, changed fields only
--   history {player, id, data}    what each entry did; also to the feeds of players with a socket (players' lane)
--   inbox   {player, data, legal '1'|'0', max}                            in-app delivery, refused while stopped
--   outputs body                                                          into the tower's log
--   keys    {bucket, previous bucket, key, cause}                         effect keys
--   timers  {'+'|'-', due, member}
--   publishes {channel, payload}
--   more    {groups, relays, walks, stops, duplicates}, absent when all are empty, as they nearly always are
--     groups {'+'|'-', group, player}   relays {partition, body}   walks {id, record | '' to stop it}
--     stops {player, reason}            duplicates data
-- Answers {OK|ALREADY, seq}, {DUPEFFECT, detail}, {STOPPED, player}; or the error FENCED, STALE, CONFLICT, BROKEN.
local function commit(K, A)
  local m, err = fenced(K[1], A[1], A[2]); if err then return err end
  if A[3] == A[4] then return redis.error_reply('EMPTY a commit moves the offset') end
  if m[3] == A[4] then return { 'ALREADY', m[4] } end
  if m[3] ~= A[3] then return redis.error_reply('STALE offset is ' .. m[3]) end
  local b, t = base(K[1]), tag(K[1])
  local c = cmsgpack.unpack(A[6])
  local done, writes, history, inbox, outputs, keys = c[1], c[2], c[3], c[4], c[5], c[6]
  local timers, publishes, part, dead, index, more = c[7], c[8], c[9], c[10], c[11], c[12]
  for i = 1, #writes do
    local w = writes[i]
    local v = redis.call('HGET', b .. 's:' .. w[1], 'v') or '0'
    if v ~= w[2] then return redis.error_reply('CONFLICT version of ' .. w[1] .. ' is ' .. v) end
  end
  for i = 1, #keys do
    local k = keys[i]
    local cause = redis.call('HGET', b .. 'fx:' .. k[1], k[3]) or redis.call('HGET', b .. 'fx:' .. k[2], k[3])
    if cause then return { 'DUPEFFECT', cause .. '\n' .. k[3] .. '\n' .. k[4] } end -- an error reply loses newlines
  end
  for i = 1, #inbox do
    if inbox[i][3] ~= '1' and redis.call('HEXISTS', t .. 'stop', inbox[i][1]) == 1 then
      return { 'STOPPED', inbox[i][1] }
    end
  end
  -- no write before this line
  local seq = ms(tonumber(m[4]) + 1)
  local ok, e = pcall(function()
    for i = 1, #writes do
      local w = writes[i]
      redis.call('HSET', b .. 's:' .. w[1], 'v', w[3], unpack(w[4]))
      if b == t and w[2] == '0' and string.sub(w[1], 1, 4) ~= 'key:' then -- the tower's and key actors are nobody
        redis.call('ZADD', t .. 'players', 0, w[1])
      end
    end
    for i = 1, #history do
      local h = history[i]
      if h[2] == '*' then redis.call('XADD', b .. 'h:' .. h[1], '*', 'd', h[3])
      else redis.call('XADD', b .. 'h:' .. h[1], h[2], 'd', h[3]) end
    end
    local poked, listens, who = {}, false, nil -- gateways hear of players with a socket only
    for i = 1, b == t and #history or 0 do
      local h = history[i]
      if h[1] ~= who then -- a player's records stand together
        who = h[1]
        listens = redis.call('HEXISTS', t .. 'sockets', who) == 1
        if listens then poked[#poked + 1] = who end
      end
      if listens then redis.call('XADD', t .. 'feed:' .. who, 'MAXLEN', '~', 1000, '*', 'd', h[3]) end
    end
    for i = 1, #inbox do
      if redis.call('HEXISTS', t .. 'sockets', inbox[i][1]) == 1 then poked[#poked + 1] = inbox[i][1] end
      redis.call('XADD', t .. 'feed:' .. inbox[i][1], 'MAXLEN', '~', 1000, '*', 'n', inbox[i][2])
      redis.call('XADD', t .. 'inbox:' .. inbox[i][1], 'MAXLEN', '~', inbox[i][4], '*', 'n', inbox[i][2])
    end
    append(t .. 't:meta', t .. 't:log', outputs, A[5])
    for i = 1, #keys do redis.call('HSET', b .. 'fx:' .. keys[i][1], keys[i][3], keys[i][4]) end
    for i = 1, #timers do
      local x = timers[i]
      if x[1] == '+' then redis.call('ZADD', b .. 'timers', x[2], x[3]) else redis.call('ZREM', b .. 'timers', x[3]) end
    end
    for i = 1, #dead do redis.call('XADD', t .. 'dead', '*', 'd', dead[i]) end
    for i = 1, #index do redis.call('HSET', t .. 'requests', index[i][1], index[i][2]) end
    if more then beside(t, more) end
    if part ~= '' then redis.call('HSET', K[1], 'part', part) end
    redis.call('HSET', K[1], 'off', A[4], 'seq', seq, 'tries', '0')
    redis.call('HINCRBY', K[1], 'done', done)
    if #poked > 0 then redis.call('PUBLISH', t .. 'poke', table.concat(poked, '\n')) end
    for i = 1, #publishes do redis.call('PUBLISH', publishes[i][1], publishes[i][2]) end
  end)
  if not ok then -- fail-stop: a half commit must never be built upon
    redis.call('HSET', K[1], 'broken', tostring(type(e) == 'table' and e.err or e))
    return redis.error_reply('BROKEN half commit at ' .. A[4])
  end
  return { 'OK', seq }
end

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

-- KEYS meta log of the destination | ARGV source clock(store|log) blob. blob: list of {id in the source's outbox, body}.
-- Appends, in order, what came after the last id kept in the field r:<source>; how many. That id alone makes it exactly
-- once, so nobody needs to own anything to do it, and to do it late or twice is harmless (docs/adr/0006).
local function relay(K, A)
  local m = redis.call('HMGET', K[1], 'r:' .. A[1], 'at')
  local last, rows, n = m[1] or '0-0', cmsgpack.unpack(A[3]), 0
  local at = ms(A[2] == 'log' and tonumber(m[2] or '0') or clock(m[2]))
  for i = 1, #rows do
    local r = rows[i]
    if later(r[1], last) then
      redis.call('XADD', K[2], '*', 'a', at, 'e', r[2])
      last, n = r[1], n + 1
    end
  end
  if n > 0 then
    redis.call('HINCRBY', K[1], 'in', n)
    redis.call('HSET', K[1], 'at', at, 'r:' .. A[1], last)
  end
  return n
end

local WALKS_KEPT = 500 -- walks of a partition that ended

-- KEYS meta log | ARGV epoch nonce clock(store|log) bound walk came_from cursor record ended('1'|'') blob
-- blob: list of bodies for the log. The walk moves from `came_from` to `cursor` together with its visits, so each is
-- made once. Answers OK; or the error FENCED, BROKEN, STALE (the walk is elsewhere, ended or not known), BACKLOG (so
-- many entries wait in the lane or in the tower's: the live traffic comes first).
local function visit(K, A)
  local m, err = fenced(K[1], A[1], A[2]); if err then return err end
  local t, id, bodies = tag(K[1]), A[5], cmsgpack.unpack(A[10])
  local cursor = redis.call('HGET', t .. 'walk-at', id)
  if cursor ~= A[6] then return redis.error_reply('STALE the walk is at ' .. tostring(cursor)) end
  if #bodies > 0 then
    local most = math.max(waiting(K[1]), waiting(t .. 't:meta'))
    if most >= tonumber(A[4]) then return redis.error_reply('BACKLOG ' .. ms(most) .. ' entries wait') end
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

-- KEYS meta log | ARGV player reason|'' body clock(store|log). The stop and its log entry in one step ('' lifts it).
-- Answers the number of sends in flight for the player: 0 = nothing can leave any more.
local function exclude(K, A)
  local t = tag(K[1])
  if A[2] == '' then redis.call('HDEL', t .. 'stop', A[1]) else redis.call('HSET', t .. 'stop', A[1], A[2]) end
  local last = redis.call('HGET', K[1], 'at') or '0'
  local at = A[4] == 'log' and last or ms(clock(last))
  redis.call('XADD', K[2], '*', 'a', at, 'e', A[3])
  redis.call('HINCRBY', K[1], 'in', 1)
  redis.call('HSET', K[1], 'at', at)
  return redis.call('HLEN', t .. 'infl:' .. A[1])
end

-- KEYS draft hash | ARGV "kind/id" expected etag ('' = any, '*' = must exist, '-' = must not) etag document ('' deletes)
-- Answers OK, or the error ETAG with the current one ('' = none). A document is stored as "<etag>\n<json>".
local function draft(K, A)
  local cur = redis.call('HGET', K[1], A[1])
  local etag = cur and string.match(cur, '^[^\n]*') or ''
  if (A[2] == '*' and not cur) or (A[2] == '-' and cur) or (A[2] ~= '' and A[2] ~= '*' and A[2] ~= '-' and A[2] ~= etag) then
    return redis.error_reply('ETAG ' .. etag)
  end
  if A[4] == '' then redis.call('HDEL', K[1], A[1]) else redis.call('HSET', K[1], A[1], A[3] .. '\n' .. A[4]) end
  return 'OK'
end

-- KEYS versions hash | ARGV content (json) key. The same key gives the same version again, so a publish may be resumed.
local function version(K, A)
  local had = redis.call('HGET', K[1], 'key:' .. A[2])
  if had then return had end
  local v = ms(redis.call('HINCRBY', K[1], 'last', 1))
  redis.call('HSET', K[1], v, A[1], 'key:' .. A[2], v)
  return v
end

redis.register_function('pt_acquire', acquire)
redis.register_function('pt_renew', renew)
redis.register_function('pt_release', release)
redis.register_function('pt_ingest', ingest)
redis.register_function('pt_commit', commit)
redis.register_function('pt_fire', fire)
redis.register_function('pt_relay', relay)
redis.register_function('pt_visit', visit)
redis.register_function('pt_exclude', exclude)
redis.register_function('pt_draft', draft)
redis.register_function('pt_version', version)
