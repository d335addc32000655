-- Boards: players by score, beside the partitions. Of one board "{board:<name>}":
--   :z  sorted set   score 0 - s, member "<ms when it was reached, 12 hex digits>|<player>": its order is the ranking,
--                    best first; of equal scores who reached it first, then by player id
--   :p  hash         player -> "<version>|<score in :z, '' when off>|<the 12 digits>"
--   :l  hash         player -> version of what came after the board was frozen
--   :m  hash         until (ms, when all of it expires), frozen (ms)
-- A row is absolute and has a version, so a board may be written by anybody, late or twice: it needs no owner.

local RENEW_MS = 86400000 -- a board's expiry is moved on no more often

local function board_lives(K, now, keep) -- 1 when it was not there before
  local till = redis.call('HGET', K[3], 'until')
  if till and tonumber(till) >= now + keep - RENEW_MS then return 0 end
  redis.call('HSET', K[3], 'until', ms(now + keep))
  for i = 1, 4 do redis.call('PEXPIREAT', K[i], ms(now + keep)) end
  return till and 0 or 1
end

local function higher(a, b) -- versions: whole numbers of any size, as they come
  if #a ~= #b then return #a > #b end
  return a > b
end

local function standing(held) return string.match(held, '^(%d+)|([^|]*)|(.*)$') end

local function came_late(K, players, versions)
  for i = 1, #players do
    local noted = redis.call('HGET', K[4], players[i])
    if not noted or higher(versions[i], noted) then redis.call('HSET', K[4], players[i], versions[i]) end
  end
  local till = redis.call('HGET', K[3], 'until')
  if #players > 0 and till then redis.call('PEXPIREAT', K[4], till) end
end

-- KEYS z p m l | ARGV keep_ms blob. blob: player, version, score for :z | '' to take the player off, 12 digits; and so on,
-- each player once, 256 at the most. A row that is no newer than what is held changes nothing. Of a frozen board none
-- does; what is newer is noted in :l.
-- Answers {rows applied, rows that came late, 1 when these are the board's first}.
local function board(K, A)
  local rows, frozen = cmsgpack.unpack(A[2]), redis.call('HGET', K[3], 'frozen')
  local players = {}
  for i = 1, #rows, 4 do players[#players + 1] = rows[i] end
  local was = redis.call('HMGET', K[2], unpack(players))
  local newer, versions, off, on, kept = {}, {}, {}, {}, {}
  for n = 1, #players do
    local i = n * 4 - 3
    local player, version, score, at = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
    local version1, score1, at1
    if was[n] then version1, score1, at1 = standing(was[n]) end
    if not version1 or higher(version, version1) then
      newer[#newer + 1], versions[#versions + 1] = player, version
      kept[#kept + 1], kept[#kept + 2] = player, version .. '|' .. score .. '|' .. at
      if at1 and score1 ~= '' and (score == '' or at1 ~= at) then off[#off + 1] = at1 .. '|' .. player end
      if score ~= '' then on[#on + 1], on[#on + 2] = score, at .. '|' .. player end
    end
  end
  -- no write before this line
  if frozen then
    came_late(K, newer, versions)
    return { 0, #newer, 0 }
  end
  if #off > 0 then redis.call('ZREM', K[1], unpack(off)) end
  if #on > 0 then redis.call('ZADD', K[1], unpack(on)) end
  if #kept > 0 then redis.call('HSET', K[2], unpack(kept)) end
  local fresh = board_lives(K, clock('0'), tonumber(A[1]))
  if #on > 0 and redis.call('ZCARD', K[1]) == #on / 2 then -- it was empty, so not there: it has no expiry yet
    redis.call('PEXPIREAT', K[1], redis.call('HGET', K[3], 'until'))
  end
  return { #newer, 0, fresh }
end

-- KEYS z p m l | ARGV keep_ms most. From now on no score changes the board; asked again, it stays as it is.
-- Answers {entrants, ms when it was frozen, the first `most` rows as member, score, member, score ...}.
local function board_freeze(K, A)
  if redis.call('HEXISTS', K[3], 'frozen') == 0 then
    local now = clock('0')
    redis.call('HSET', K[3], 'frozen', ms(now), 'until', ms(now + tonumber(A[1])))
    for i = 1, 4 do redis.call('PEXPIREAT', K[i], ms(now + tonumber(A[1]))) end
  end
  local most = tonumber(A[2])
  local rows = most > 0 and redis.call('ZRANGE', K[1], 0, most - 1, 'WITHSCORES') or {}
  return { redis.call('ZCARD', K[1]), redis.call('HGET', K[3], 'frozen'), rows }
end

-- KEYS z p m l | ARGV player|'' first count. One look: the player's rank, and `count` rows from the rank `first` on; with a
-- player `first` counts from there (-5: five before). Ranks are from 0 here.
-- Answers {entrants, frozen ms | '', how many came late, rank | -1, rank of the first row, rows}.
local function board_read(K, A)
  local entrants, rank = redis.call('ZCARD', K[1]), -1
  local first, count = tonumber(A[2]), tonumber(A[3])
  if A[1] ~= '' then
    local held = redis.call('HGET', K[2], A[1])
    if held then
      local _, score, at = standing(held)
      if score ~= '' then rank = redis.call('ZRANK', K[1], at .. '|' .. A[1]) or -1 end
    end
    if rank < 0 then count = 0 end
    first = rank + first
  end
  if first < 0 then first, count = 0, count + first end
  local rows = count > 0 and redis.call('ZRANGE', K[1], first, first + count - 1, 'WITHSCORES') or {}
  return { entrants, redis.call('HGET', K[3], 'frozen') or '', redis.call('HLEN', K[4]), rank, first, rows }
end

redis.register_function('pt_board', board)
redis.register_function('pt_board_freeze', board_freeze)
redis.register_function { function_name = 'pt_board_read', callback = board_read, flags = { 'no-writes' } }
