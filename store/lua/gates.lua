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

-- One that is there already keeps the later end: to exclude never lets more through, only to lift does.
local function set_stop(t, player, reason, ends)
  for line in string.gmatch(redis.call('HGET', t .. 'stop', player) or '', '[^\n]+') do
    local name, known = said(line)
    if name == reason and ends ~= '' and (known == '' or tonumber(known) > tonumber(ends)) then ends = known end
  end
  relined(t .. 'stop', player, reason .. '|' .. ends, function(old) return (said(old)) == reason end)
end

local function lift(t, player, reason)  -- '' lifts all
  if reason == '' then redis.call('HDEL', t .. 'stop', player)
  else relined(t .. 'stop', player, '', function(old) return (said(old)) == reason end) end
end

local function set_mute(t, sign, player, mark)
  relined(t .. 'mute', player, sign == '+' and mark or '', function(old) return old == mark end)
end

-- What an answered call closed stays closed until its own entry is folded: `gated` knows the entry that closed a gate at
-- once, and a commit of entries before that one leaves the gate alone. Without it a readmission that still waits in the
-- log would undo an exclusion that was confirmed after it.
local function gate(kind, player, name) return kind .. '|' .. player .. '\n' .. name end

local function closed_after(t, kind, player, name, off)
  local id = redis.call('HGET', t .. 'gated', gate(kind, player, name))
  if not id then return false end
  if later(id, off) then return true end
  redis.call('HDEL', t .. 'gated', gate(kind, player, name))
  return false
end

local function reasons(t, player)
  local found = {}
  for line in string.gmatch(redis.call('HGET', t .. 'stop', player) or '', '[^\n]+') do found[#found + 1] = (said(line)) end
  return found
end

-- Of a commit that ends at `off`: lifts before stops, so that of a commit with both the stop stays.
local function turn_gates(t, off, lifts, stops, mutes)
  for i = 1, #lifts do
    local player, reason = lifts[i][1], lifts[i][2]
    local some = reason == '' and reasons(t, player) or { reason }
    local kept = 0
    for j = 1, #some do
      if closed_after(t, 's', player, some[j], off) then kept = kept + 1 else lift(t, player, some[j]) end
    end
    if reason == '' and kept == 0 then lift(t, player, '') end
  end
  for i = 1, #stops do
    local s = stops[i]
    if not closed_after(t, 's', s[1], s[2], off) then set_stop(t, s[1], s[2], s[3]) end
  end
  for i = 1, #mutes do
    local m = mutes[i]
    if not closed_after(t, 'm', m[2], m[3], off) then set_mute(t, m[1], m[2], m[3]) end
  end
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

local function told(meta, log, body, given)  -- appends one entry, past any bound; its id
  local last = redis.call('HGET', meta, 'at') or '0'
  local at = given == 'log' and last or ms(clock(last))
  local id = redis.call('XADD', log, '*', 'a', at, 'e', body)
  redis.call('HINCRBY', meta, 'in', 1)
  redis.call('HSET', meta, 'at', at)
  return id
end

-- KEYS meta log | ARGV player reason until|'' mode body clock(store|log). The gate and its log entry in one step.
-- mode '+' adds the reason, or puts its end off; '-' lifts it, and all of them for reason ''.
-- Answers the number of sends in flight for the player: 0 = nothing but legal mail can leave any more.
local function exclude(K, A)
  local t = tag(K[1])
  if A[4] ~= '+' and A[4] ~= '-' then return redis.error_reply('MODE expected + or -, got ' .. A[4]) end
  local id = told(K[1], K[2], A[5], A[6])
  if A[4] == '+' then
    set_stop(t, A[1], A[2], A[3])
    redis.call('HSET', t .. 'gated', gate('s', A[1], A[2]), id)
  else
    local some = A[2] == '' and reasons(t, A[1]) or { A[2] }
    for i = 1, #some do redis.call('HDEL', t .. 'gated', gate('s', A[1], some[i])) end
    lift(t, A[1], A[2])
  end
  return redis.call('HLEN', t .. 'infl:' .. A[1])
end

-- KEYS meta log | ARGV player mark mode('+'|'-') body clock(store|log). The mark and its log entry in one step.
-- Answers the number of sends in flight for the player.
local function mute(K, A)
  local t = tag(K[1])
  if A[3] ~= '+' and A[3] ~= '-' then return redis.error_reply('MODE expected + or -, got ' .. A[3]) end
  local id = told(K[1], K[2], A[4], A[5])
  set_mute(t, A[3], A[1], A[2])
  if A[3] == '+' then redis.call('HSET', t .. 'gated', gate('m', A[1], A[2]), id)
  else redis.call('HDEL', t .. 'gated', gate('m', A[1], A[2])) end
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
