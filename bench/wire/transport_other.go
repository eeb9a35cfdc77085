//go:build !linux

package wire

func newTransport(l *Loop) (transport, error) { return newNetTransport(l), nil }
