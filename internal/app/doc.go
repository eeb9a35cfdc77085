// Package app is one process of the gateway: its configuration, the wiring of all parts, and the order in which they
// start and stop. cmd/sallyport calls it; tests start it as users do.
//
// build.go is the house in code: start is the list of steps, each leaves its undoing in a lifecycle, and a stop, also
// one after a start that failed half-way, runs those last first. definitions.go turns files into programs, kinds.go is
// the list of integration kinds, worker.go and edge.go hold the two roles, admin.go what the admin listener answers,
// command.go what --run starts, notify.go what a service manager is told. console.go and banner.go are what a person sees.
//
// One path through it: a definition is saved, the watcher of reload.go sees other content, definitions.compile makes a
// table of programs or a list of problems, and reload gives the table first to the worker, which opens and subscribes,
// then to the edge, whose next message runs by it.
package app
