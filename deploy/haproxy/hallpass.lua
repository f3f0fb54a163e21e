-- The action `lua.hallpass_verify URL`: asks hallpass whether the token in txn.bearer still holds, and leaves the status of its answer in
-- txn.verdict. No answer leaves 503 there: when it is not known, nobody passes.

core.register_action("hallpass_verify", { "http-req" }, function(txn, url)
    local headers = {
        authorization = { "Bearer " .. (txn:get_var("txn.bearer") or "") },
        ["x-forwarded-for"] = { txn.f:src() },
    }
    local answer = core.httpclient():get({ url = url, headers = headers, timeout = 2000 })
    local status = answer and answer.status or 0
    -- The client of HAProxy says 0 where nobody answered.
    txn:set_var("txn.verdict", status > 0 and status or 503)
end, 1)
