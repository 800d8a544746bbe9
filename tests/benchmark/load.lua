-- What wrk runs: requests made from a plan and a file of secrets, picked at random; every answer is looked at.
-- Its one argument is a Lua file that returns the plan (tests/benchmark/load.py writes it).

local PREBUILT = 100000 -- so many requests are made beforehand at most
local threads = {}

function setup(thread)
  thread:set("number", #threads + 1)
  threads[#threads + 1] = thread
end

local function filled(text, line, count)
  return (text:gsub("{line}", function() return line end):gsub("{count}", count))
end

local function made(line, count)
  local headers = {}
  for name, value in pairs(plan.headers) do headers[name] = filled(value, line, count) end
  return wrk.format(plan.method, filled(plan.path, line, count), headers, plan.body and filled(plan.body, line, count))
end

local function spread(all, wanted)
  local some = {}
  for i = 1, wanted do some[i] = all[math.floor((i - 1) * #all / wanted) + 1] end
  return some
end

local function rest() -- whole milliseconds, right on average
  local whole = math.floor(plan.pause)
  return math.random() < plan.pause - whole and whole + 1 or whole
end

local function made_once() -- each thread takes every so manyth line; the last one is sent again while the thread stops
  local picked = plan.start + (count - 1) * plan.threads + number
  if picked > #lines then wrk.thread:stop() end
  return made(lines[math.min(picked, #lines)], "")
end

function init(args)
  plan = dofile(args[1])
  wrong, sample, count = 0, "", 0
  math.randomseed(plan.seed + number)
  if plan.pause > 0 then delay = rest end -- wrk asks only for what is there
  lines = {}
  for line in io.lines(plan.file) do lines[#lines + 1] = line end
  if plan.once then return end
  if #lines > plan.distinct then lines = spread(lines, plan.distinct) end
  if plan.unique or #lines > PREBUILT then return end
  prebuilt = {}
  for i, line in ipairs(lines) do prebuilt[i] = made(line, "") end
end

function request()
  if not begun then
    begun = true
    io.stderr:write("begun\n")
  end
  if plan.once then
    count = count + 1
    return made_once()
  end
  local picked = math.random(#lines)
  if prebuilt then return prebuilt[picked] end
  count = count + 1
  return made(lines[picked], plan.seed .. "-" .. number .. "-" .. count)
end

local function header(headers, name)
  for given, value in pairs(headers) do
    if given:lower() == name then return value end
  end
  return ""
end

local function as_expected(status, headers, body)
  if status ~= plan.status then return false end
  if plan.answer_header then return header(headers, plan.answer_header):find(plan.answer) ~= nil end
  return body:find(plan.answer) ~= nil
end

function response(status, headers, body)
  if as_expected(status, headers, body) then return end
  wrong = wrong + 1
  if sample == "" then sample = status .. " " .. body:sub(1, 160):gsub("[^%w%p ]", " "):gsub('[\\"]', "'") end
end

function done(summary, latency, requests)
  local errors, wrong, sample, most = summary.errors, 0, "", 0
  for _, thread in ipairs(threads) do
    most = math.max(most, thread:get("count"))
    wrong = wrong + thread:get("wrong")
    if thread:get("sample") ~= "" then sample = thread:get("sample") end
  end
  local form = '\n{"requests": %d, "seconds": %.6f, "p50_us": %d, "p99_us": %d, "max_us": %d, '
    .. '"socket_errors": %d, "wrong": %d, "used": %d, "sample": "%s"}\n'
  io.write(form:format(
    summary.requests, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(99), latency.max,
    errors.connect + errors.read + errors.write + errors.timeout, wrong, most * #threads, sample
  ))
end
