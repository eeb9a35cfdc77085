package policy

// match reports whether s has the form of pattern, in which * stands for any characters, none included, and ? for one
// byte. It needs no memory, and time in proportion to the product of the lengths at worst: both are bounded.
func match(pattern, s string) bool {
	p, i := 0, 0
	star, resume := -1, 0 // the latest *, and where what follows it was last tried
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p, i = p+1, i+1
		case star >= 0:
			resume++
			p, i = star+1, resume
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
