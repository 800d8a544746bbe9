-- Ask Latchkey's forward-auth about a request, for haproxy-api.cfg: it lets the request through, or answers it.

local url = "http://" .. os.getenv("LATCHKEY") .. "/oauth/forward-auth?resource=" .. os.getenv("RESOURCE") .. "&scope="
local credentials = { "authorization", "x-api-key", "dpop" }
local identity = { "credential-type", "subject", "username", "client-id", "scope", "credential-id" }
local answered = { "content-type", "www-authenticate", "dpop-nonce", "retry-after", "x-request-id", "cache-control" }
local refusals = { [400] = true, [401] = true, [403] = true, [429] = true }

-- Only these headers go to Latchkey, so nothing that a caller says of its address, its certificate or its request does.
local function question(txn)
    local received, headers = txn.http:req_get_headers(), {}
    for _, name in ipairs(credentials) do
        headers[name] = received[name]
    end
    headers["x-forwarded-for"] = { txn.sf:src() }
    -- The request that a DPoP proof is for, as the caller sent it.
    headers["x-original-method"] = { txn.sf:method() }
    local scheme = txn.f:ssl_fc() == 1 and "https://" or "http://"
    headers["x-original-url"] = { scheme .. txn.sf:req_fhdr("host") .. txn.sf:pathq() }
    return headers
end

local function refuse(txn, answer)
    local known = refusals[answer.status]
    local reply = txn:reply({ status = known and answer.status or 503 })
    for _, name in ipairs(known and answered or {}) do
        for _, value in pairs(answer.headers[name] or {}) do
            reply:add_header(name, value)
        end
    end
    if known then
        reply:set_body(answer.body)
    end
    txn:done(reply)
end

core.register_action("forward_auth", { "http-req" }, function(txn, scope)
    local answer = core.httpclient():get({ url = url .. scope, headers = question(txn), timeout = 5000 })
    if answer.status ~= 200 then
        return refuse(txn, answer)
    end
    -- All six are always set.
    for _, name in ipairs(identity) do
        local values = answer.headers["x-auth-" .. name] or {}
        txn.http:req_set_header("x-auth-" .. name, values[0] or "")
    end
    txn:set_var("txn.verified", true)
end, 1)
