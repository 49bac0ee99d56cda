package config

// everything is a file that sets every key.
const everything = `
[server]
listen          = "127.0.0.1:4180"
public_url      = "https://auth.example.com"
trusted_proxies = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]
admin_listen    = "unix:/run/authd/admin.sock"
plugins_dir     = ["plugins", "/usr/lib/authd/plugins"]
[store]
url = "file:authd.db"
[session]
secret        = ["ThisIsNotASecretButItIsLongEnough-1", "ThisIsNotASecretButItIsLongEnough-2"]
cookie_name   = "login"
cookie_domain = ".example.com"
lifetime      = "24h"
idle_timeout  = "90m"
[login]
title           = "Come in"
logo            = "/logo.svg"
return_to_allow = ["https://*.example.com", "https://app.example.net:8443", "http://localhost:3000"]
auto            = true
prompt          = "login consent"
[access]
allow = 'user.email.endsWith("@example.org")'
[admin]
token = "sixteen-bytes-or-more"
pprof = true
[plugins]
lock_file           = "plugins.lock"
sandbox             = "strict"
sandbox_best_effort = true
memory_limit        = "512MiB"
[log]
level  = "debug"
format = "json"

[[providers]]
id               = "github"
type             = "github"
label            = "GitHub"
icon             = "icons/github.svg"
scopes           = ["read:user", "user:email"]
prompt           = "consent"
authorize_params = { allow_signup = "false" }
identifier       = "preferred_username"
allow            = 'claims.hd == "example.org"'
claims           = { email = "claims.mail", groups = "claims.roles" }
required         = true
callback_path    = "/oauth2callback"
insecure_http    = true
ca_file          = "ca.pem"
sandbox          = "off"
run_as           = "nobody"
egress_ports     = [8443, 9443]
client_id        = "Iv1.0123"
client_secret    = "github-client-secret"
port             = 8080
tls              = true

[[apps]]
host              = "app.example.com"
pass_access_token = true
[[apps.rules]]
path   = "/public/*"
public = true
[[apps.rules]]
path    = "/admin/*"
methods = ["GET", "POST"]
allow   = '"admins" in user.groups'

[[clients]]
id                        = "streamlit"
secret                    = "client-secret-of-streamlit"
redirect_uris             = ["https://app.example.com/oauth2callback"]
post_logout_redirect_uris = ["https://app.example.com/oauth2callback"]
require_pkce              = false
`
