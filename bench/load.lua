-- What wrk sends: `wrk … -- KIND NAMES COUNT`.
-- KIND is award or list. The participants are NAMES (with %d for a number), COUNT of them, in turn.
local kind, names, count
local sent = 0

function init(arguments)
  kind, names, count = arguments[1], arguments[2], tonumber(arguments[3])
end

function request()
  local participant = string.format(names, sent % count)
  sent = sent + 1
  if kind == "list" then
    return wrk.format("GET", "/api/v1/gamify/participants/" .. participant .. "/badges")
  end
  local body = '{"participant_id":"' .. participant .. '","badge_code":"power_user"}'
  return wrk.format("POST", "/api/v1/gamify/badges/award", nil, body)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"failed":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
