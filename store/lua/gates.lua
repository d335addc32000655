-- Who gets nothing (stops), and what a player does not want (mutes). Both are asked at the last moment.

-- A stop has one line a reason: "<reason>|<ms when it ends by itself, or nothing>". A line without "|", as older
-- versions wrote it, is a reason for good.
local function said(line)
  local reason, ends = string.match(line, '^(.*)|(%d*)$')
  if not reason then return line, '' end
  return reason, ends
end

local function stopped(t, player, at)
  local v = redis.call('HGET', t .. 'stop', player)
  if not v then return false end
  if v == '' then return true end
  for line in string.gmatch(v, '[^\n]+') do
    local _, ends = said(line)
    if ends == '' or tonumber(ends) > at then return true end
  end
  return false
end

-- Sets (`line` to put there) or removes ('') one line of a hash field; the order of the others stays.
local function relined(key, player, line, is_it)
  local lines, v = {}, redis.call('HGET', key, player)
  for old in string.gmatch(v == '' and '|' or v or '', '[^\n]+') do -- a value of nothing is a stop without a reason
    if not is_it(old) then lines[#lines + 1] = old end
  end
  if line ~= '' then lines[#lines + 1] = line end
  if #lines == 0 then redis.call('HDEL', key, player) else redis.call('HSET', key, player, table.concat(lines, '\n')) end
end

local function set_stop(t, player, reason, ends)
  relined(t .. 'stop', player, reason .. '|' .. ends, function(old) return (said(old)) == reason end)
end

local function lift(t, player, reason)  -- '' lifts all
  if reason == '' then redis.call('HDEL', t .. 'stop', player)
  else relined(t .. 'stop', player, '', function(old) return (said(old)) == reason end) end
end

local function set_mute(t, sign, player, mark)
  relined(t .. 'mute', player, sign == '+' and mark or '', function(old) return old == mark end)
end

local function muted(t, player, marks)
  if #marks == 0 then return false end
  local v = redis.call('HGET', t .. 'mute', player)
  if not v then return false end
  local set = {}
  for mark in string.gmatch(v, '[^\n]+') do set[mark] = true end
  for i = 1, #marks do if set[marks[i]] then return true end end
  return false
end

local function told(meta, log, body, given)  -- appends one entry, past any bound
  local last = redis.call('HGET', meta, 'at') or '0'
  local at = given == 'log' and last or ms(clock(last))
  redis.call('XADD', log, '*', 'a', at, 'e', body)
  redis.call('HINCRBY', meta, 'in', 1)
  redis.call('HSET', meta, 'at', at)
end

-- KEYS meta log | ARGV player reason until|'' mode body clock(store|log). The gate and its log entry in one step.
-- mode '+' adds the reason or replaces its end; '-' lifts it, and all of them for reason ''.
-- Answers the number of sends in flight for the player: 0 = nothing but legal mail can leave any more.
local function exclude(K, A)
  local t = tag(K[1])
  if A[4] ~= '+' and A[4] ~= '-' then return redis.error_reply('MODE expected + or -, got ' .. A[4]) end
  if A[4] == '+' then set_stop(t, A[1], A[2], A[3]) else lift(t, A[1], A[2]) end
  told(K[1], K[2], A[5], A[6])
  return redis.call('HLEN', t .. 'infl:' .. A[1])
end

-- KEYS meta log | ARGV player mark mode('+'|'-') body clock(store|log). The mark and its log entry in one step.
-- Answers the number of sends in flight for the player.
local function mute(K, A)
  local t = tag(K[1])
  if A[3] ~= '+' and A[3] ~= '-' then return redis.error_reply('MODE expected + or -, got ' .. A[3]) end
  set_mute(t, A[3], A[1], A[2])
  told(K[1], K[2], A[4], A[5])
  return redis.call('HLEN', t .. 'infl:' .. A[1])
end

-- KEYS meta log | ARGV clock(store|log) player ... Answers 1 or 0 each: is the player stopped now, as a commit sees it.
local function who_is_stopped(K, A)
  local last, out = redis.call('HGET', K[1], 'at'), {}
  local at = A[1] == 'log' and tonumber(last or '0') or clock(last)
  for i = 2, #A do out[i - 1] = stopped(tag(K[1]), A[i], at) and 1 or 0 end
  return out
end

redis.register_function('pt_exclude', exclude)
redis.register_function('pt_mute', mute)
redis.register_function('pt_stopped', who_is_stopped)
