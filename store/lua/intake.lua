-- One value of a dedupe bucket: lines "<offset>|<fingerprint>|<player>", one a player that used the message id.
local function met(value, player)
  for line in string.gmatch(value, '[^\n]+') do
    local off, fp, who = string.match(line, '^([^|]+)|([^|]*)|(.*)$')
    if who == player then return off, fp end
  end
end

-- KEYS meta log | ARGV bound clock(store|log) keep_ms blob
-- blob: list of {player, message id, fingerprint, bucket, other buckets with a space between or '', occurred ms, body}.
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
    local known, off, fp = redis.call('HGET', ded .. e[4], e[2]), nil, nil
    if known then off, fp = met(known, e[1]) end
    if not off then
      for b in string.gmatch(e[5], '%S+') do
        local v = redis.call('HGET', ded .. b, e[2])
        if v then off, fp = met(v, e[1]) end
        if off then break end
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

redis.register_function('pt_ingest', ingest)
