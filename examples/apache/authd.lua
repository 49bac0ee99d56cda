-- check asks authd about a request, for LuaHookAccessChecker: the request goes on with authd's headers, a page load goes
-- to the login page, everything else is refused.

local address, port = "127.0.0.1", 4180                         -- CHANGE: authd's server.listen
local timeout = 5                                               -- seconds, for each step

local socket = require "socket"

local identity = {
	"X-Auth-Request-User", "X-Auth-Request-Subject", "X-Auth-Request-Email", "X-Auth-Request-Preferred-Username",
	"X-Auth-Request-Name", "X-Auth-Request-Groups", "X-Auth-Request-Groups-Omitted", "X-Auth-Request-Provider",
	"X-Auth-Request-Jwt", "X-Auth-Request-Access-Token",
}

-- strip drops what only a proxy may say. Many applications take X_Auth_Request_User and X.Auth.Request.User for
-- X-Auth-Request-User, so every spelling goes.
local function strip(r)
	local found = {}
	for name in pairs(r:headers_in_table()) do found[#found + 1] = name end
	for _, name in ipairs(found) do
		local plain = name:lower():gsub("[^a-z0-9]", "-")
		if plain:find("^x%-auth%-request%-") or plain:find("^x%-original%-") or plain:find("^x%-forwarded%-") then
			r.headers_in[name] = nil
		end
	end
end

-- opens_page tells a person who opens a page from a program.
local function opens_page(r)
	if r.method ~= "GET" and r.method ~= "HEAD" then return false end
	if r.headers_in["Upgrade"] or r.headers_in["X-Requested-With"] == "XMLHttpRequest" then return false end
	local mode = r.headers_in["Sec-Fetch-Mode"]
	return not mode or mode == "navigate"
end

-- ask returns the status and the headers of authd's answer, nil when there is none.
local function ask(r, host)
	local lines = {
		"GET /auth/check HTTP/1.1", "Host: " .. host, "Connection: close",
		"X-Original-URL: https://" .. host .. r.unparsed_uri, "X-Original-Method: " .. r.method,
		"X-Forwarded-For: " .. r.useragent_ip,
	}
	if r.headers_in["Cookie"] then lines[#lines + 1] = "Cookie: " .. r.headers_in["Cookie"] end
	local conn = socket.tcp()
	conn:settimeout(timeout)
	local status, headers = nil, {}
	if conn:connect(address, port) and conn:send(table.concat(lines, "\r\n") .. "\r\n\r\n") then
		status = (conn:receive("*l") or ""):match("^HTTP/1%.1 (%d%d%d)")
		local line = conn:receive("*l")
		while line and line ~= "" do
			local name, value = line:match("^([^:]+):%s*(.-)%s*$")
			if name then headers[name:lower()] = value end
			line = conn:receive("*l")
		end
		if not line then status = nil end                       -- half an answer is none
	end
	conn:close()
	return tonumber(status), headers
end

function check(r)
	-- A client can have any field removed on the way by naming it in Connection, also one that authd has set.
	local connection = (r.headers_in["Connection"] or ""):lower()
	if connection:find("x-", 1, true) or connection:find("cookie", 1, true) or connection:find("host", 1, true) then
		return 400
	end
	strip(r)
	-- The name that was asked for: that of the request line, if it has one, with the port that Host names.
	local host = r.hostname .. ((r.headers_in["Host"] or ""):match(":%d+$") or "")
	r.headers_in["Host"] = host
	local status, headers = ask(r, host)
	if status == 200 then
		for _, name in ipairs(identity) do
			local value = headers[name:lower()]
			if value and value ~= "" then r.headers_in[name] = value end
		end
		r.headers_in["X-Forwarded-Proto"] = "https"
		return apache2.DECLINED
	elseif status == 401 and opens_page(r) and headers["location"] then
		r.headers_out["Location"] = headers["location"]
		return 302
	elseif status == 401 or status == 403 then
		return status
	end
	return 503
end
