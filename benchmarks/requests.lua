-- wrk sends the bodies of a file in turn, and prints its figures as one line of JSON.
-- Arguments: the file, in which each body follows a line with its length; the content type.

local bodies = {}
local place = 0

function init(args)
   local file = assert(io.open(args[1], "rb"))
   local headers = { ["Content-Type"] = args[2] }
   local length = file:read("*n", "*l")
   while length do
      bodies[#bodies + 1] = wrk.format("POST", nil, headers, file:read(length))
      length = file:read("*n", "*l")
   end
   file:close()
end

function request()
   place = place % #bodies + 1
   return bodies[place]
end

function done(summary, latency, requests)
   local errors = summary.errors
   local n_errors = errors.connect + errors.read + errors.write + errors.status + errors.timeout
   io.write(string.format(
      'RESULT {"requests": %d, "us": %d, "p50_us": %d, "p99_us": %d, "errors": %d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), n_errors))
end
