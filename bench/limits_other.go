//go:build !unix

package bench

func descriptorLimit() int { return 0 }
