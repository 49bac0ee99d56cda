// Package packaged tests what authd is shipped as: the Debian package is built, looked into, installed on this machine,
// run as its unit says, and removed; the archive, the Dockerfile and compose.yaml are held against what they ship.
//
//	package_test.go  builds both packages once; what is in them
//	install_test.go  install, run, remove, purge      unit_test.go  reads a unit and runs what it says
//	container_test.go  Dockerfile and compose.yaml
//
// Installing needs root. Everybody else runs what is unpacked into a directory, and the log says so.
package packaged
