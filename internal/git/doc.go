// Package git is the host's side of git: it keeps a bare mirror of each repository, makes the bundle that
// an attempt starts from, and takes an agent's work through a quarantine before it is pushed.
//
// It runs the git program, without any configuration of the machine, and never in a directory that a
// container could write. What a container made reaches git only as a bundle file, which is unpacked into a
// throw-away bare repository and examined there. Credentials reach git by its environment only: never by
// an argument, an address or a file.
//
// A *Git is safe for concurrent use. A crash in the middle of anything leaves at most a temporary
// directory or an unfinished mirror, and both are cleared when they are met.
package git
