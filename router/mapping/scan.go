package mapping

import (
	"strings"

	"github.com/tidwall/gjson"
)

// The functions of this file find their way in JSON that is known to be valid. In other text they find anything, but end.

// memberOf returns the value of a member of the object that json begins with, and "" if there is none. Of several with
// that name it is the last, as in json-smart, which reads messages for Amazon's service, and in the parsers of most
// backends: a message must not be one thing for the gateway and another for who gets it.
func memberOf(json, name string) string {
	found := ""
	for i := skipSpace(json, 1); i < len(json) && json[i] == '"'; i = skipSpace(json, i+1) {
		end := stringEnd(json, i)
		matches := isString(json[i:end], name)
		if i = skipSpace(json, end); i == len(json) || json[i] != ':' {
			break
		}
		i = skipSpace(json, i+1)
		end = valueEnd(json, i)
		if matches {
			found = json[i:end]
		}
		if i = skipSpace(json, end); i == len(json) || json[i] != ',' {
			break
		}
	}
	return found
}

// itemOf returns the item at index of the list that json begins with, and "" if there is none.
func itemOf(json string, index int) string {
	for i := skipSpace(json, 1); i < len(json) && json[i] != ']'; i = skipSpace(json, i+1) {
		end := valueEnd(json, i)
		if index == 0 {
			return json[i:end]
		}
		index--
		if i = skipSpace(json, end); i == len(json) || json[i] != ',' {
			break
		}
	}
	return ""
}

// isString reports whether the quoted text of a JSON string means s.
func isString(quoted, s string) bool {
	if len(quoted) < 2 {
		return false
	}
	if inside := quoted[1 : len(quoted)-1]; strings.IndexByte(inside, '\\') < 0 {
		return inside == s
	}
	return gjson.Parse(quoted).Str == s
}

func skipSpace(json string, i int) int {
	for i < len(json) && (json[i] == ' ' || json[i] == '\t' || json[i] == '\n' || json[i] == '\r') {
		i++
	}
	return i
}

// valueEnd returns the index behind the value that begins at start.
func valueEnd(json string, start int) int {
	if start == len(json) {
		return start
	}
	switch json[start] {
	case '"':
		return stringEnd(json, start)
	case '{', '[':
		return containerEnd(json, start)
	}
	for i := start; i < len(json); i++ {
		switch json[i] {
		case ',', '}', ']', ' ', '\t', '\n', '\r':
			return i
		}
	}
	return len(json)
}

// containerEnd returns the index behind the object or list that begins at start.
func containerEnd(json string, start int) int {
	const kind = 0x20 // the bit that tells [ from { and ] from }: which of both it is does not matter in valid text
	open := 0
	for i := start; i < len(json); i++ {
		switch json[i] | kind {
		case '"':
			i = stringEnd(json, i) - 1
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				return i + 1
			}
		}
	}
	return len(json)
}

// stringEnd returns the index behind the closing quote of the string that begins at start.
func stringEnd(json string, start int) int {
	for i := start + 1; ; i++ {
		n := strings.IndexByte(json[i:], '"')
		if n < 0 {
			return len(json)
		}
		i += n
		slash := i
		for slash > start+1 && json[slash-1] == '\\' {
			slash--
		}
		if (i-slash)%2 == 0 {
			return i + 1
		}
	}
}
