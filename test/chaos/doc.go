// Package chaos breaks what authd depends on while people sign in, and counts who noticed.
//
// Real processes all along: authd serve with its file store, two providers with a plugin each, two identity providers,
// a load of checks and logins, and a canary of checks that must be denied whatever happens. Plain `go test` runs each
// fault for some seconds and holds authd to its counts; `make chaos` runs them for minutes, one after another, holds it
// to its times too, and prints a table.
//
//	killed_test.go     F1   a plugin is killed again and again; one that can't run at all
//	stopped_test.go    F2   a plugin hangs
//	lies_test.go       F3   a plugin lies and answers too much
//	replaced_test.go   F4   a plugin's file is replaced, at times by one that does not work
//	crash_test.go      F5   authd itself is killed
//	reload_test.go     F17  the configuration changes every second
//	idp_test.go        F20  an identity provider hangs      F21  one is down at the start
//
//	main_test.go       builds the programs; no process may be left at the end
//	process_test.go    what a process has started, and its CPU time
//	site_test.go       authd with two providers, its configuration and what its admin listener says
//	people_test.go     a person who signs in and out
//	load_test.go       the load and the canary         vitals_test.go  goroutines, files, memory
//	step_test.go       one fault: base, fault, recovery   table_test.go  what was demanded and what was seen
//	broken_test.go     the plugins that lie and crash: this test binary under other names
//	instruments_test.go  the instruments themselves
//
// It reads processes from /proc, so it is for Linux.
package chaos
