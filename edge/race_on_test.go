//go:build race

package edge

// raceEnabled: the race detector drops pooled memory at random.
const raceEnabled = true
