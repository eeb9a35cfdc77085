package gateway

import "strings"

// maxNearestWord bounds the words that Nearest compares: no key or value that we know is longer, and the comparison
// costs the product of both lengths.
const maxNearestWord = 64

// Nearest returns the one of known that word was most likely meant to be, or "" when none is near: for the hints of
// faults. Case does not count; a swap of neighbours counts as one error; a known word that begins with word is near as
// well (HTTP for HTTP_PROXY). Of equally near ones the first wins.
func Nearest(word string, known []string) string {
	if word == "" || len(word) > maxNearestWord {
		return ""
	}
	lower := strings.ToLower(word)
	best, bestDistance := "", allowedErrors(len(lower))+1
	for _, candidate := range known {
		if len(candidate) > maxNearestWord {
			continue
		}
		if d := distance(lower, strings.ToLower(candidate)); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	if best != "" {
		return best
	}
	const minPrefix = 3 // shorter beginnings fit too much
	if len(lower) >= minPrefix {
		for _, candidate := range known {
			if strings.HasPrefix(strings.ToLower(candidate), lower) {
				return candidate
			}
		}
	}
	return ""
}

// allowedErrors is how far a word of n bytes may be from what was meant: one error in three letters, one in short words.
func allowedErrors(n int) int { return max(1, n/3) }

// distance counts the insertions, deletions, replacements and swaps of neighbours that make a into b (optimal string
// alignment), in bytes.
func distance(a, b string) int {
	before := make([]int, len(b)+1) // the row of a[:i-2]
	last := make([]int, len(b)+1)   // the row of a[:i-1]
	row := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
