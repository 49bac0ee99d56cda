-- The action lua.authd ADDRESS asks authd about a request and leaves what it says: in txn.authd_status 200, 401 or 403,
-- 503 when it can't be asked; in txn.authd_login where a page load goes to sign in; on 200 the identity headers.

local identity = {
	"x-auth-request-user", "x-auth-request-subject", "x-auth-request-email", "x-auth-request-preferred-username",
	"x-auth-request-name", "x-auth-request-groups", "x-auth-request-groups-omitted", "x-auth-request-provider",
	"x-auth-request-jwt", "x-auth-request-access-token",
}

-- first returns the first value of a header, "" when there is none.
local function first(headers, name)
	local values = headers and headers[name]
	if not values then return "" end
	return values[0] or values[1] or ""
end

-- opens_page tells a person who opens a page from a program.
local function opens_page(method, headers)
	if method ~= "GET" and method ~= "HEAD" then return false end
	if headers["upgrade"] or first(headers, "x-requested-with") == "XMLHttpRequest" then return false end
	local mode = first(headers, "sec-fetch-mode")
	return mode == "" or mode == "navigate"
end

-- ask returns authd's answer, nil when there is none.
local function ask(txn, address, method, headers)
	local question = {
		["host"] = { first(headers, "host") },
		["x-original-url"] = { "https://" .. first(headers, "host") .. txn.f:pathq() },
		["x-original-method"] = { method },
		["x-forwarded-for"] = { txn.f:src() },
	}
	local cookies = {}
	for _, value in pairs(headers["cookie"] or {}) do cookies[#cookies + 1] = value end
	if #cookies > 0 then question["cookie"] = { table.concat(cookies, "; ") } end
	return core.httpclient():get{ url = "http://" .. address .. "/auth/check", headers = question, timeout = 5000 }
end

core.register_action("authd", { "http-req" }, function(txn, address)
	local method, headers = txn.f:method(), txn.http:req_get_headers()
	txn:set_var("txn.authd_status", 503)
	local answer = ask(txn, address, method, headers)
	if not answer or (answer.status ~= 200 and answer.status ~= 401 and answer.status ~= 403) then return end
	if answer.status == 200 then
		for _, name in ipairs(identity) do
			local value = first(answer.headers, name)
			txn.http:req_del_header(name)
			if value ~= "" then txn.http:req_add_header(name, value) end
		end
	elseif answer.status == 401 and opens_page(method, headers) then
		txn:set_var("txn.authd_login", first(answer.headers, "location"))
	end
	txn:set_var("txn.authd_status", answer.status)
end, 1)
