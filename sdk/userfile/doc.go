// Package userfile is the file of people that the provider type "users" signs in and `authd user` edits: TOML, one
// table per person under the name that they type, passwords only as argon2id hashes (RFC 9106).
//
//	[users.ada]
//	id             = "p3kxw7m2q5c4t6n7b2d5f3g4h6"   # never given to anybody else, so names may be
//	password       = "$argon2id$v=19$m=65536,t=3,p=1$…$…"
//	name           = "Ada Lovelace"
//	email          = "ada@example.org"
//	email_verified = true
//	groups         = ["admins"]
//	disabled       = true                           # may not sign in; the rest stays
package userfile
