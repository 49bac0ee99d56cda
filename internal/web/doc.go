// Package web holds everything of authd that a person looks at: the pages, their
// stylesheet, the marks of the providers and the words.
//
// It knows no HTTP. The host fills one of the page structs with values that are
// already fit for the eyes of the person who asked, and calls [Pages.Render]:
//
//	pages.go      New, Render: which template belongs to which page
//	login.go      the pages around signing in and out: Login, LogoutConfirm, SignedOut
//	account.go    the page of the signed-in person: Account
//	message.go    the plain ones: Error, FormPost, Demo
//	texts.go      every word, in one table
//	assets.go     stylesheet, favicon and marks, by the names the pages link to
//	icon.go       which mark stands for which provider type; foreign SVGs
//	policy.go     the Content-Security-Policy that the pages are written for
//	templates/    layout.tmpl and one file per page
//
// The pages hold no script, no inline style and no address outside authd, so the
// policy can forbid all three. html/template escapes every value by its place in
// the page; a value that is no http(s) address or path never becomes a link.
package web
