// Package process runs attempts as plain processes of this machine, for development without Docker. It
// isolates nothing: the agent has the rights of the user who runs the service.
//
// It may be called by one container actor per slot and by the janitor, at the same time. A slot's state
// is a directory:
//
//	<dir>/<slot>/attempt.json   whose attempt it is; the directory gets its name only once it is whole
//	<dir>/<slot>/run/           in, out, workspace, home
//	<dir>/<slot>/pid            made by the child itself before the runner begins: started
//	<dir>/<slot>/exit           written by the child after the runner's end: its exit code
//	<dir>/<slot>/stderr         what the runner said to nobody
//
// All of it outlives the service, and so does the child: it has a session of its own, and files instead
// of pipes. It is found again by its process number together with the time at which it started, as the
// system gives numbers out again.
package process
