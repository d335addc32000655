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

redis.register_function('pt_draft', draft)
redis.register_function('pt_version', version)
