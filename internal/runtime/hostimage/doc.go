// Package hostimage makes a container image in seconds out of this machine's own programs: git, a shell,
// a few tools, and the libraries that they need. It is for the demo and for tests, on machines that reach
// no registry; it pulls nothing and runs nothing but ldd and git --exec-path. A half-made image is never
// seen: the engine gives it its name when it is whole.
package hostimage
