-- Paced background load for wrk (one thread): bets of 5,000 players at RATE events a second, whatever the answers take.
-- Environment: BENCH_RATE, BENCH_AUTH, BENCH_RUN, BENCH_AT. A schedule shared by the connections, on the monotonic clock.
local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long sec; long nsec; } bench_time;
  int clock_gettime(int clock, bench_time *now);
]]
local now_at = ffi.new("bench_time")
local function now_ms()
  ffi.C.clock_gettime(1, now_at)
  return tonumber(now_at.sec) * 1000 + tonumber(now_at.nsec) / 1e6
end

local rate = tonumber(os.getenv("BENCH_RATE"))
local run, at = os.getenv("BENCH_RUN"), os.getenv("BENCH_AT")
local headers = { ["Content-Type"] = "application/json", ["Authorization"] = os.getenv("BENCH_AUTH") }
local every_ms, due, sent = 1000 / rate, nil, 0

function delay()
  local now = now_ms()
  due = due and due + every_ms or now
  if due < now - 1000 then due = now end -- a second behind: give up what was missed, the rate is reported as it was
  return due > now and math.floor(due - now + 0.5) or 0
end

function request()
  sent = sent + 1
  local player = (sent * 7919) % 5000
  local body = string.format(
    '{"type":"track","messageId":"%s-%d","userId":"bg-p%d","event":"bet_placed","timestamp":"%s",' ..
    '"properties":{"amount":%d,"currency":"EUR","game":"roulette","game_type":"table"}}',
    run, sent, player, at, 10 + (sent * 31) % 990)
  return wrk.format("POST", "/v1/track", headers, body)
end
