// Package deploy tests what is under deploy/ as far as that goes without a container engine or a cluster: each file is read by
// the parser of the program that it is for (buildkit's, Docker Compose's, Helm's with the types of Kubernetes' API,
// systemd-analyze), and each command line in them is given to the real command.
//
// It is a module of its own, so that those parsers stay out of the product's. One path through it: Helm's engine renders the
// chart with some values, each document is decoded strictly into the type that its kind names, and the arguments of its
// containers go to `sallyport serve` with a file that does not exist: the command complains of that file, or else of a flag
// that it does not know.
package deploy
