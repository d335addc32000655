#!lua name=playtower
-- The commit protocol as one function library (Redis 7 Functions; docs/adr/0002).
-- KEYS[1] is nearly always the meta hash of one lane of one partition: "{17}:meta" (players), "{17}:t:meta" (tower) or
-- "{17}:c:meta" (channels).
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
