-- What waits for the providers (store/queue.py). A line is the ids of one player by one channel and lane, in order;
-- `c:due:<channel>:<lane>` holds the players whose line's head may be claimed: it is in neither a claim nor a hurry.
-- {17}:c:d       id -> {player, channel, lane, send_until, legal '1'|'0', {mark, ...}, body}, packed by the commit's caller
-- {17}:c:next    id -> as in c:d: it was cleared again while it is in flight
-- {17}:c:claims  id -> {token, claimed at, tries before, refused, player, channel, lane}, packed here

local function line_of(t, channel, lane, player) return t .. 'c:line:' .. channel .. ':' .. lane .. ':' .. player end
local function due_of(t, channel, lane) return t .. 'c:due:' .. channel .. ':' .. lane end

local function push(t, id, player, channel, lane, value, at)
  redis.call('HSET', t .. 'c:d', id, value)
  if redis.call('RPUSH', line_of(t, channel, lane, player), id) == 1 then -- it was idle
    redis.call('ZADD', due_of(t, channel, lane), ms(at), player)
    redis.call('SADD', t .. 'c:rooms', channel .. '|' .. lane)
  end
end

-- Takes an id that is not in flight out of its line; `d` as it was kept.
local function leave(t, id, d, at)
  local line, due = line_of(t, d[2], d[3], d[1]), due_of(t, d[2], d[3])
  local was_head = redis.call('LINDEX', line, 0) == id
  redis.call('LREM', line, 0, id)
  redis.call('HDEL', t .. 'c:tries', id)
  redis.call('HDEL', t .. 'c:void', id)
  if redis.call('EXISTS', line) == 0 then redis.call('ZREM', due, d[1])
  elseif was_head then redis.call('ZADD', due, ms(at), d[1]) end
end

-- One row of a commit: {id, player, channel, lane, value}. An id is in the queue once. Cleared again while it waits, it
-- goes to the end of its new line; while it is in flight, it does so when that is settled (c:next): nothing is lost.
local function enqueue(t, d, at)
  if redis.call('HEXISTS', t .. 'c:claims', d[1]) == 1 then
    redis.call('HSET', t .. 'c:next', d[1], d[5])
    redis.call('HDEL', t .. 'c:void', d[1])
    return
  end
  local old = redis.call('HGET', t .. 'c:d', d[1])
  if old then leave(t, d[1], cmsgpack.unpack(old), at) end
  push(t, d[1], d[2], d[3], d[4], d[5], at)
end

-- The time of sends: the store's, never before what the partition's logs were told.
local function sending_at(t, given)
  local p, w = redis.call('HGET', t .. 'meta', 'at'), redis.call('HGET', t .. 't:meta', 'at')
  local last = math.max(tonumber(p or '0'), tonumber(w or '0'))
  return given == 'log' and last or clock(last)
end

local function refusal(t, id, d, at)
  if d[5] ~= '1' and stopped(t, d[1], at) then return 'excluded' end
  if muted(t, d[1], d[6]) then return 'muted' end
  local void = redis.call('HGET', t .. 'c:void', id)
  if void then return 'withdrawn:' .. void end
  if at >= tonumber(d[4]) then return 'late' end
  return ''
end

local function broken(meta, why)
  redis.call('HSET', meta, 'broken', why)
  return redis.error_reply('BROKEN ' .. why)
end

-- Looks at the due heads of a room, `most` of them from the place `from` on, the longest due first. What is to be claimed
-- goes to `found`, and how it is answered to `out`: all of it, or only what must not be sent. Answers how many it looked at.
local function look(t, at, claimer, room, from, most, only_refused, found, out, seen)
  local channel, lane = room[1], room[2]
  local due = due_of(t, channel, lane)
  local players = redis.call('ZRANGE', due, '-inf', ms(at), 'BYSCORE', 'LIMIT', from, most)
  for j = 1, #players do
    local id = redis.call('LINDEX', line_of(t, channel, lane, players[j]), 0)
    local value = id and redis.call('HGET', t .. 'c:d', id)
    if not value then return nil, redis.error_reply('BROKEN the line of ' .. players[j] .. ' has no head') end
    if not seen[id] then -- a room may be asked for twice
      seen[id] = true
      local d = cmsgpack.unpack(value)
      local why = refusal(t, id, d, at)
      if why ~= '' or not only_refused then
        local tries = redis.call('HGET', t .. 'c:tries', id) or '0'
        found[#found + 1] = { due, d[1], id, why, cmsgpack.pack({ claimer, ms(at), tries, why, d[1], channel, lane }) }
        out[#out + 1] = { id, d[7], tries, why }
      end
    end
  end
  return #players
end

local function claimed(meta, t, claimer, found)
  local ok, e = pcall(function()
    for i = 1, #found do
      local f = found[i]
      redis.call('ZREM', f[1], f[2])
      redis.call('HSET', t .. 'c:claims', f[3], f[5])
      if f[4] == '' then redis.call('HSET', t .. 'infl:' .. f[2], f[3], claimer) end
    end
  end)
  if not ok then return broken(meta, 'half claim: ' .. tostring(type(e) == 'table' and e.err or e)) end
end

-- KEYS c:meta, players' log | ARGV epoch nonce claimer clock(store|log) blob. blob: list of {channel, lane, most}.
-- Claims the heads of lines that are due, the longest due first. What may not be sent is claimed all the same, with why,
-- and settled by the claimer; it is not in flight. Answers {id, body, tries before, why not | ''} each.
local function claim(K, A)
  local _, err = fenced(K[1], A[1], A[2]); if err then return err end
  local t, rooms, found, out, seen = tag(K[1]), cmsgpack.unpack(A[5]), {}, {}, {}
  local at = sending_at(t, A[4])
  for i = 1, #rooms do
    local _, wrong = look(t, at, A[3], rooms[i], 0, tonumber(rooms[i][3]), false, found, out, seen)
    if wrong then return wrong end
  end
  -- no write before this line
  return claimed(K[1], t, A[3], found) or out
end

-- KEYS c:meta, players' log | ARGV epoch nonce claimer clock(store|log) most blob. blob: list of {channel, lane, from}.
-- Of each room looks at `most` due heads from a place on, and claims only those that must not be sent: they end although
-- nobody has room for them. Answers {claims as above, where to go on in each room: 0 when its end was reached}.
local function sweep(K, A)
  local _, err = fenced(K[1], A[1], A[2]); if err then return err end
  local t, rooms, most, found, out, seen, places = tag(K[1]), cmsgpack.unpack(A[6]), tonumber(A[5]), {}, {}, {}, {}
  local at = sending_at(t, A[4])
  for i = 1, #rooms do
    local from, before = tonumber(rooms[i][3]), #found
    local count, wrong = look(t, at, A[3], rooms[i], from, most, true, found, out, seen)
    if wrong then return wrong end
    places[i] = count < most and 0 or from + count - (#found - before) -- what was claimed is not there any more
  end
  -- no write before this line
  return claimed(K[1], t, A[3], found) or { out, places }
end

-- KEYS c:meta, players' log | ARGV clock(store|log). Answers {channel|lane, players whose head is in no claim, how many
-- of these are due} of each room with any.
local function rooms_of(K, A)
  local t, out = tag(K[1]), {}
  local at = ms(sending_at(t, A[1]))
  local rooms = redis.call('SMEMBERS', t .. 'c:rooms')
  for i = 1, #rooms do
    local channel, lane = string.match(rooms[i], '^(.*)|(.*)$')
    local due = due_of(t, channel, lane)
    local count = redis.call('ZCARD', due)
    if count > 0 then out[#out + 1] = { rooms[i], count, redis.call('ZCOUNT', due, '-inf', at) } end
  end
  return out
end

-- KEYS c:meta, players' log | ARGV clock(store|log) blob. blob: list of {id, token, due|'0', tried '1'|'0', entries, dead}.
-- Only the token counts, not who owns the partition: a courier that lost it must tell what it has sent.
-- due > 0 keeps it at the head of its line for then, and counts a try if it was one. Otherwise it is over: the next of
-- its line is due, and the entries go into the players' log, past any bound. What was cleared again meanwhile is not kept
-- for another try: its next clearance counts. Answers 1, or 0 where the claim is not that token's, each.
local function settle(K, A)
  local t, rows, out, mine = tag(K[1]), cmsgpack.unpack(A[2]), {}, {}
  local flag = redis.call('HGET', K[1], 'broken')
  if flag then return redis.error_reply('BROKEN ' .. flag) end
  local seen = {}
  for i = 1, #rows do
    local r, c = rows[i], nil
    local kept = not seen[r[1]] and redis.call('HGET', t .. 'c:claims', r[1])
    if kept then c = cmsgpack.unpack(kept) end
    out[i] = (c and c[1] == r[2]) and 1 or 0
    if out[i] == 1 then
      seen[r[1]] = true
      local line = line_of(t, c[6], c[7], c[5])
      if redis.call('LINDEX', line, 0) ~= r[1] then return redis.error_reply('BROKEN ' .. r[1] .. ' is not the head') end
      mine[#mine + 1] = { r, c, line }
    end
  end
  if #mine == 0 then return out end
  local meta, n = t .. 'meta', 0
  local now = ms(sending_at(t, A[1]))
  local last = redis.call('HGET', meta, 'at') or '0'
  local at = A[1] == 'log' and last or ms(clock(last))
  -- no write before this line
  local ok, e = pcall(function()
    for i = 1, #mine do
      local r, c, line = mine[i][1], mine[i][2], mine[i][3]
      local id, player, due = r[1], c[5], due_of(t, c[6], c[7])
      redis.call('HDEL', t .. 'c:claims', id)
      redis.call('HDEL', t .. 'infl:' .. player, id)
      local again = redis.call('HGET', t .. 'c:next', id)
      if r[3] ~= '0' and not again then
        if r[4] == '1' then redis.call('HINCRBY', t .. 'c:tries', id, 1) end
        redis.call('ZADD', due, r[3], player)
      else
        redis.call('LPOP', line)
        redis.call('HDEL', t .. 'c:d', id)
        redis.call('HDEL', t .. 'c:tries', id)
        if not again then redis.call('HDEL', t .. 'c:void', id) end -- else it came after, and takes that one back
        if redis.call('EXISTS', line) == 1 then redis.call('ZADD', due, now, player) end
        if again then
          local d = cmsgpack.unpack(again)
          redis.call('HDEL', t .. 'c:next', id)
          push(t, id, d[1], d[2], d[3], again, tonumber(now))
        end
        for j = 1, #r[5] do redis.call('XADD', K[2], '*', 'a', at, 'e', r[5][j]) end
        n = n + #r[5]
        if r[6] ~= '' then redis.call('XADD', t .. 'dead', '*', 'd', r[6]) end
      end
    end
    if n > 0 then
      redis.call('HINCRBY', meta, 'in', n)
      redis.call('HSET', meta, 'at', at)
    end
  end)
  if not ok then return broken(K[1], 'half settlement: ' .. tostring(type(e) == 'table' and e.err or e)) end
  return out
end

redis.register_function('pt_claim', claim)
redis.register_function('pt_sweep', sweep)
redis.register_function('pt_settle', settle)
redis.register_function('pt_waiting', rooms_of)
