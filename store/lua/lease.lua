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

redis.register_function('pt_acquire', acquire)
redis.register_function('pt_renew', renew)
redis.register_function('pt_release', release)
