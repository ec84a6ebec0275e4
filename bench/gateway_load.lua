-- The requests of wrk, and its results as one line of JSON.
bad = 0 -- not local: read from the other state at the end
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init()
  local body = os.getenv("BENCH_BODY")
  if body then
    wrk.method = "POST"
    wrk.body = body
    wrk.headers["Content-Type"] = "application/json"
  end
  -- In the environment, as every user of the machine can read command lines.
  local token = os.getenv("BENCH_TOKEN")
  if token then
    wrk.headers["Authorization"] = "Bearer " .. token
  end
end

function response(status, _, body)
  if status ~= 200 or body:find('"errors"', 1, true) then
    bad = bad + 1
  end
end

function done(summary, latency, _)
  for _, thread in ipairs(threads) do
    bad = bad + thread:get("bad")
  end
  local lost = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "p50": %.3f, "p99": %.3f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, bad + lost
  ))
end
