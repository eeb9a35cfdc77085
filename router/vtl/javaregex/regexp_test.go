package javaregex_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/router/vtl/javaregex"
	"github.com/sallyport/sallyport/router/vtl/value"
)

// What a pattern takes as a whole, as Java's String.matches says.
func TestMatches(t *testing.T) {
	tests := []struct {
		pattern, yes, no string
	}{
		{`\d+`, "42", "٤٢"}, {`\w`, "a", "é"}, {`\s`, "\t", "\u00a0"}, {`[^\d]`, "x", "1"}, {`[\D&&[^a]]`, "b", "a"},
		{`[a-z&&[^m-p]]+`, "abc", "mno"}, {`[a-c[x-z]]+`, "axz", "m"}, {`[^a[b]]`, "c", "b"}, {`\Qa.b\E`, "a.b", "axb"}, {`a*+b`, "aab", "aaa"},
		{`a*+a`, "", "aaa"}, {`(?<n>a)\k<n>`, "aa", "ab"}, {`(a)\1`, "aa", "ab"}, {`(?i)ABC`, "abc", "abd"}, {`a(?=b)b`, "ab", "ac"},
		{`(?<!x)a`, "a", "xa"}, {`\p{Alpha}+`, "abc", "é"}, {`\p{L}`, "é", "1"}, {`\p{Punct}`, "!", "a"}, {`\x41\u0042\0103`, "ABC", "abc"},
		{`\h`, "\u00a0", "x"}, {`a{2,3}`, "aaa", "a"}, {`a|b`, "b", "ab"}, {`[]a]`, "]", "b"}, {`[a\-z]`, "-", "m"}, {`\R`, "\r\n", "x"},
	}
	for _, test := range tests {
		re, err := javaregex.Compile(test.pattern)
		if err != nil {
			t.Errorf("%s: %v", test.pattern, err)
			continue
		}
		for text, want := range map[string]bool{test.yes: true, test.no: false} {
			if got, err := re.MatchString(text); text != "" && (got != want || err != nil) {
				t.Errorf("%s on %q: %t, %v", test.pattern, text, got, err)
			}
		}
	}
	for _, pattern := range []string{"(", ")", "[", "*", "a{", `\`, `\y`, `\p{Nope}`, `\x4`, "(?<n", strings.Repeat("(", 500), strings.Repeat("a", 5000)} {
		if _, err := javaregex.Compile(pattern); !errors.Is(err, javaregex.ErrSyntax) {
			t.Errorf("%.20s: %v, want ErrSyntax", pattern, err)
		}
	}
}

func TestReplaceAndSplit(t *testing.T) {
	meter := value.NewMeter(1<<20, time.Time{})
	compile := func(pattern string) *javaregex.Regexp {
		re, err := javaregex.Compile(pattern)
		if err != nil {
			t.Fatal(err)
		}
		return re
	}
	for _, test := range []struct{ pattern, text, with, all, first string }{
		{`(\d)(\d)`, "12 34", `$2$1\$`, "21$ 43$", "21$ 34"},
		{"", "ab", "-", "-a-b-", "-ab"},
		{"(?<x>b)", "abc", "<${x}>", "a<b>c", "a<b>c"},
		{"😀", "a😀b", "é", "aéb", "aéb"},
	} {
		all, err := compile(test.pattern).Replace(test.text, test.with, javaregex.Every, meter)
		first, errFirst := compile(test.pattern).Replace(test.text, test.with, javaregex.Once, meter)
		if all != test.all || first != test.first || err != nil || errFirst != nil {
			t.Errorf("%s on %q: %q and %q, %v %v", test.pattern, test.text, all, first, err, errFirst)
		}
	}
	for _, with := range []string{"$", "$9", "${", `\`} {
		if _, err := compile("a").Replace("a", with, javaregex.Every, meter); !errors.Is(err, javaregex.ErrSyntax) {
			t.Errorf("%q: %v", with, err)
		}
	}
	for _, test := range []struct {
		pattern, text string
		limit         int
		want          string
	}{
		{",", "a,b,,", 0, "a|b"}, {",", "a,b,,", -1, "a|b||"}, {",", "a,b,c", 2, "a|b,c"}, {"", "abc", 0, "a|b|c"}, {",", ",a", 0, "|a"}, {",", ",", 0, ""}, {"x", "abc", 0, "abc"},
	} {
		if got, err := compile(test.pattern).Split(test.text, test.limit, meter); strings.Join(got, "|") != test.want || err != nil {
			t.Errorf("split %q by %q: %q, %v", test.text, test.pattern, got, err)
		}
	}
}

func TestBacktrackingEnds(t *testing.T) {
	re, err := javaregex.Compile("(a+)+b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := re.MatchString(strings.Repeat("a", 64)); !errors.Is(err, javaregex.ErrTime) {
		t.Errorf("%v, want ErrTime", err)
	}
}

// FuzzCompile: whatever the pattern, it is compiled or refused, and a match ends.
func FuzzCompile(f *testing.F) {
	for _, pattern := range []string{`[a&&[^b]]*+`, `\Q[`, `(?i-s:a)`, `[^]`, `\p{`, `[[[`, `a{1,`, `(?<a>b)\k<a>`, "[a-\\d]"} {
		f.Add(pattern, "abc")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		re, err := javaregex.Compile(pattern)
		if err != nil {
			if !errors.Is(err, javaregex.ErrSyntax) {
				t.Fatal(err)
			}
			return
		}
		if _, err := re.MatchString(text); err != nil && !errors.Is(err, javaregex.ErrTime) {
			t.Fatal(err)
		}
	})
}
