//go:build !linux

package edge

import "net"

// listenConfig leaves buffers and probes to the system and to package net.
func listenConfig() *net.ListenConfig { return new(net.ListenConfig) }
