-- Appends the outputs of a commit to the log of the partition's other lane (the tower's, or the players'), counting them in.
-- `given` is the record's time in a store made with --clock log, '' otherwise. Not before `since`, the time of the lane that
-- committed: the tower must not clear for an hour that claims, which go by the players' time, know to be over.
local function append(meta, log, bodies, given, since)
  if #bodies == 0 then return end
  local last = tonumber(redis.call('HGET', meta, 'at') or '0')
  local at = ms(given == '' and clock(math.max(last, tonumber(since or '0'))) or math.max(tonumber(given), last))
  for i = 1, #bodies do redis.call('XADD', log, '*', 'a', at, 'e', bodies[i]) end
  redis.call('HINCRBY', meta, 'in', #bodies)
  redis.call('HSET', meta, 'at', at)
end

local DUPLICATES_MAX = 10000
local CASES_MAX = 10000
local TALLY_S = 400 * 86400

-- What only the tower's commits bring: sends to come, sends taken back, questions to a person, counts of a day.
local function aloft(t, tower, at)
  local dispatches, voids, reviews, tallies = tower[1], tower[2], tower[3], tower[4]
  local now = #dispatches > 0 and at()
  for i = 1, #dispatches do enqueue(t, dispatches[i], now) end
  for i = 1, #voids do
    if redis.call('HEXISTS', t .. 'c:d', voids[i][1]) == 1 then redis.call('HSET', t .. 'c:void', voids[i][1], voids[i][2]) end
  end
  for i = 1, #reviews do
    local r = reviews[i]
    if r[2] == '' then redis.call('HDEL', t .. 'reviews', r[1]) else redis.call('HSET', t .. 'reviews', r[1], r[2]) end
  end
  for i = 1, #tallies do
    local key = t .. 'tally:' .. tallies[i][1]
    redis.call('HINCRBY', key, tallies[i][2], tallies[i][3])
    redis.call('EXPIRE', key, TALLY_S, 'NX')
  end
end

-- The rest of a commit: who is where, what goes to other logs, walks, gates, proposals for a person, sends.
local function beside(t, more, at, off)
  local groups, relays, walks, stops, duplicates = more[1], more[2], more[3], more[4], more[5]
  local lifts, mutes, tower, sums, cases = more[6], more[7], more[8], more[9], more[10]
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
  turn_gates(t, off, lifts, stops, mutes)
  for i = 1, #duplicates do
    redis.call('XADD', t .. 'duplicates', 'MAXLEN', '~', DUPLICATES_MAX, '*', 'd', duplicates[i])
  end
  for i = 1, cases and #cases or 0 do
    local c = cases[i]
    if c[2] == '' then redis.call('HDEL', t .. 'cases', c[1])
    elseif redis.call('HLEN', t .. 'cases') < CASES_MAX then redis.call('HSET', t .. 'cases', c[1], c[2])
    else redis.call('HINCRBY', t .. 'cases-over', 'cases', 1) end -- the player's history has it
  end
  if tower and tower[1] then aloft(t, tower, at) end
  -- One that would pass 2^63 stays as it is: what is learnt must never break a turn.
  for i = 1, sums and #sums or 0 do redis.pcall('HINCRBY', t .. 'choices', sums[i][1], sums[i][2]) end
end

-- KEYS meta log | ARGV epoch nonce off_from off_to at|'' blob. All of a batch, or nothing.
-- blob: {done, writes, history, inbox, outputs, keys, timers, publishes, part, dead, index, more | absent}
--   writes  {player, version from, version to, {field, value, ...}}       snapshots, changed fields only
--   history {player, id, data}    what each entry did; also to the feeds of players with a socket (players' lane)
--   inbox   {player, data, legal '1'|'0', max}                            in-app delivery, refused while stopped
--   outputs body                                                          into the tower's log; (tower) into the players'
--   keys    {bucket, previous bucket, key, cause}                         effect keys
--   timers  {'+'|'-', due, member}
--   publishes {channel, payload}
--   more    {groups, relays, walks, stops, duplicates, lifts, mutes, tower | {} | absent, sums | {} | absent,
--           cases | absent}, absent when all are empty
--     groups {'+'|'-', group, player}   relays {partition, body}   walks {id, record | '' to stop it}
--     stops {player, reason, until | ''}   lifts {player, reason | ''}, before the stops   mutes {'+'|'-', player, mark}
--     duplicates data     sums {field, how much more}     cases {id, record | '' when it is over}
--   tower   {dispatches, voids, reviews, tallies}
--     dispatches {id, player, channel, lane, value (see queue.lua)}     voids {id, reason}
--     reviews {id, record | '' when it is over}                         tallies {day, field, how many more}
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
  local function at() return A[5] == '' and clock(m[6]) or tonumber(m[6] or '0') end -- asked by few commits
  for i = 1, #inbox do
    local who = inbox[i][1]
    if inbox[i][3] ~= '1' and redis.call('HEXISTS', t .. 'stop', who) == 1 and stopped(t, who, at()) then
      return { 'STOPPED', who }
    end
  end
  -- no write before this line
  local seq = ms(tonumber(m[4]) + 1)
  local ok, e = pcall(function()
    for i = 1, #writes do
      local w = writes[i]
      redis.call('HSET', b .. 's:' .. w[1], 'v', w[3], unpack(w[4]))
      local who = string.match(w[1], '^%a+:')
      if b == t and w[2] == '0' and who ~= 'key:' and who ~= 'keeper:' then -- the tower's, keys and keepers are nobody
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
    local other = b == t and t .. 't:' or t
    append(other .. 'meta', other .. 'log', outputs, A[5], m[6])
    for i = 1, #keys do redis.call('HSET', b .. 'fx:' .. keys[i][1], keys[i][3], keys[i][4]) end
    for i = 1, #timers do
      local x = timers[i]
      if x[1] == '+' then redis.call('ZADD', b .. 'timers', x[2], x[3]) else redis.call('ZREM', b .. 'timers', x[3]) end
    end
    for i = 1, #dead do redis.call('XADD', t .. 'dead', '*', 'd', dead[i]) end
    for i = 1, #index do redis.call('HSET', t .. 'requests', index[i][1], index[i][2]) end
    if more then beside(t, more, at, b == t and A[4] or '0-0') end
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

redis.register_function('pt_commit', commit)
