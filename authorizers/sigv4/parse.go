package sigv4

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	// scopeParts of a credential: key id, day, region, service, terminator.
	scopeParts = 5

	// maxAuthorizationBytes and maxQueryBytes bound what is looked at. They are above what the listeners let through
	// (10,240 bytes for a whole head at the edge), so that the tighter limit is theirs.
	maxAuthorizationBytes = 16 << 10
	maxQueryBytes         = 64 << 10
	// maxSignedHeaders is far above what any SDK signs (contract/control-plane.md §3.9 has ten at most).
	maxSignedHeaders = 128

	// maxParts bounds the parameters of an Authorization header, which has three.
	maxParts = 32

	// maxExpires is a week, Amazon's longest life of a presigned URL (contract/control-plane.md §3.10).
	maxExpires = 604800

	basicFormat = "20060102T150405Z"
	dayFormat   = "20060102"
	// httpFormat is the form of a Date header (RFC 9110 §5.6.7).
	httpFormat = "Mon, 02 Jan 2006 15:04:05 GMT"
)

// The parameters of the presigned form; their case matters.
const (
	paramAlgorithm     = "X-Amz-Algorithm"
	paramCredential    = "X-Amz-Credential"
	paramDate          = "X-Amz-Date"
	paramExpires       = "X-Amz-Expires"
	paramSignedHeaders = "X-Amz-SignedHeaders"
	paramSignature     = "X-Amz-Signature"
	paramToken         = "X-Amz-Security-Token"
)

// The headers of the header form.
const (
	headerAuthorization = "Authorization"
	headerDate          = "X-Amz-Date"
	headerPlainDate     = "Date"
	headerContentHash   = "X-Amz-Content-Sha256"
	headerToken         = "X-Amz-Security-Token"
)

// signature is what a request says about its own signature.
type signature struct {
	Authorization
	date      string // as in the string to sign
	at        time.Time
	presigned bool
	expires   time.Duration // of a presigned URL
	token     bool          // the request has a session token

	signedHeaders []string // in lower case
}

// Authorization is the content of an Authorization header, or of the parameters that stand for it.
type Authorization struct {
	// Credential parts.
	AccessKeyID, Day, Region, Service, Terminator string
	// SignedHeaders are as listed, not yet in lower case.
	SignedHeaders []string
	// Signature is 64 hexadecimal digits if it is any good.
	Signature string
	// Credential is the whole of its parts.
	Credential string
}

// Scope is the credential scope: what follows the key id.
func (a *Authorization) Scope() string {
	return a.Day + "/" + a.Region + "/" + a.Service + "/" + a.Terminator
}

// parseAuthorization reads an Authorization header (contract/control-plane.md §3.1). Commas may or may not be followed by a
// space. It also tells the parts that are not there: then the rest is not checked.
func parseAuthorization(header string) (a *Authorization, missing []string, e *Error) {
	if len(header) > maxAuthorizationBytes {
		return nil, nil, incomplete("Authorization header is longer than %d bytes.", maxAuthorizationBytes)
	}
	scheme, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	switch {
	case scheme == algorithm:
	case strings.HasPrefix(scheme, "AWS4-"): // the asymmetric variant, for one
		return nil, nil, incomplete("Unsupported AWS 'algorithm': '%s'.", scheme)
	default: // another scheme's parameters are not ours
		return nil, []string{"Credential", "Signature", "SignedHeaders"}, nil
	}
	var own [3]parameter // whoever signs has three parts
	found := own[:0]
	for part := range strings.SplitSeq(rest, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return nil, nil, incomplete("Authorization header has a part that is not a valid key=value pair (missing equal-sign). "+
				"(Hashed with SHA-256 and encoded with Base64) Authorization=%s", digest(header))
		}
		if slices.ContainsFunc(found, func(p parameter) bool { return p.name == name }) {
			return nil, nil, incomplete("Authorization header has a parameter twice. "+
				"(Hashed with SHA-256 and encoded with Base64) Authorization=%s", digest(header))
		}
		if len(found) == maxParts {
			return nil, nil, incomplete("Authorization header has more than %d parameters. "+
				"(Hashed with SHA-256 and encoded with Base64) Authorization=%s", maxParts, digest(header))
		}
		found = append(found, parameter{name, value})
	}
	var values [3]string
	for i, name := range [...]string{"Credential", "Signature", "SignedHeaders"} {
		if at := slices.IndexFunc(found, func(p parameter) bool { return p.name == name }); at >= 0 {
			values[i] = found[at].value
		}
		if values[i] == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, missing, nil
	}
	a, e = newAuthorization(values[0], values[2], values[1])
	return a, nil, e
}

func newAuthorization(credential, signedHeaders, sig string) (*Authorization, *Error) {
	parts := strings.Split(credential, "/")
	if len(parts) != scopeParts || parts[0] == "" {
		return nil, incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", credential)
	}
	a := &Authorization{AccessKeyID: parts[0], Day: parts[1], Region: parts[2], Service: parts[3], Terminator: parts[4], Signature: sig, Credential: credential}
	if strings.Count(signedHeaders, ";") >= maxSignedHeaders {
		return nil, incomplete("SignedHeaders lists more than %d headers.", maxSignedHeaders)
	}
	a.SignedHeaders = strings.Split(signedHeaders, ";")
	if slices.Contains(a.SignedHeaders, "") {
		return nil, incomplete("SignedHeaders has an empty name.")
	}
	return a, nil
}

// missingParts lists what an Authorization header lacks, in Amazon's words. The header itself is shown as a digest, as it
// may be another scheme's secret.
func missingParts(header string, names []string) *Error {
	var b strings.Builder
	for _, name := range names {
		if name == "date" {
			b.WriteString("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
			continue
		}
		b.WriteString("Authorization header requires '" + name + "' parameter. ")
	}
	return incomplete("%s(Hashed with SHA-256 and encoded with Base64) Authorization=%s", b.String(), digest(header))
}

// parse finds the form in which a request is signed, and reads it. A request with an Authorization header is not
// presigned.
func parse(r *Request) (*signature, *Error) {
	if len(r.Query) > maxQueryBytes {
		return nil, incomplete("The query string is longer than %d bytes.", maxQueryBytes)
	}
	if auth := values(r.Header, headerAuthorization); len(auth) > 0 {
		if len(auth) > 1 {
			return nil, incomplete("There is more than one Authorization header.")
		}
		return parseHeaders(r, auth[0])
	}
	return parseQuery(r.Query)
}

func parseHeaders(r *Request, header string) (*signature, *Error) {
	a, missing, err := parseAuthorization(header)
	if err != nil {
		return nil, err
	}
	date := r.Header.Get(headerDate)
	if date == "" {
		date = r.Header.Get(headerPlainDate)
	}
	if date == "" {
		missing = append(missing, "date")
	}
	if len(missing) > 0 {
		return nil, missingParts(header, missing)
	}
	s := &signature{Authorization: *a, token: r.Header.Get(headerToken) != ""}
	return s, s.complete(date)
}

// complete reads the date and puts the names of the headers in the form in which they are signed.
func (s *signature) complete(date string) *Error {
	at, err := time.Parse(basicFormat, date)
	if err != nil && !s.presigned {
		at, err = time.Parse(httpFormat, date)
	}
	if err != nil {
		return incomplete("Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", date)
	}
	s.at, s.date = at, date
	if len(date) != len(basicFormat) || date[len(dayFormat)] != 'T' { // Parse takes fractions of a second too
		s.date = basic(at)
	}
	s.signedHeaders = s.SignedHeaders
	for i, name := range s.SignedHeaders {
		lower := strings.ToLower(name)
		if lower == name {
			continue
		}
		if &s.signedHeaders[0] == &s.SignedHeaders[0] {
			s.signedHeaders = slices.Clone(s.SignedHeaders)
		}
		s.signedHeaders[i] = lower
	}
	return nil
}

// parseQuery reads the presigned form (contract/control-plane.md §3.10).
func parseQuery(query string) (*signature, *Error) {
	found := make(map[string]string)
	for _, p := range parameters(query) {
		if !ofSignature(p.name) {
			continue
		}
		if _, twice := found[p.name]; twice {
			return nil, incomplete("The query-string parameter '%s' is there twice.", p.name)
		}
		found[p.name] = p.value
	}
	if _, signed := found[paramSignature]; !signed {
		return nil, missingToken()
	}
	var missing []string
	for _, name := range []string{paramAlgorithm, paramCredential, paramSignature, paramSignedHeaders, paramDate, paramExpires} {
		if found[name] == "" {
			missing = append(missing, "'"+name+"'")
		}
	}
	if len(missing) > 0 {
		return nil, incomplete("AWS query-string parameters must include %s. Re-examine the query-string parameters.", strings.Join(missing, ", "))
	}
	if found[paramAlgorithm] != algorithm {
		return nil, incomplete("Unsupported AWS 'algorithm': '%s'.", found[paramAlgorithm])
	}
	a, err := newAuthorization(found[paramCredential], found[paramSignedHeaders], found[paramSignature])
	if err != nil {
		return nil, err
	}
	seconds, convErr := strconv.Atoi(found[paramExpires])
	if convErr != nil || seconds < 1 || seconds > maxExpires {
		return nil, incomplete("X-Amz-Expires must be a number of seconds between 1 and %d.", maxExpires)
	}
	s := &signature{Authorization: *a, presigned: true, expires: time.Duration(seconds) * time.Second, token: found[paramToken] != ""}
	return s, s.complete(found[paramDate])
}

func basic(t time.Time) string { return t.UTC().Format(basicFormat) }

// WithoutSignature returns a raw query without the parameters of the presigned form: they are not the application's, and
// whoever sees them could use the URL until it expires (contract/control-plane.md §3.10). A query that is not presigned
// comes back as it is, without an allocation.
func WithoutSignature(query string) string {
	if !strings.Contains(query, paramSignature) && !strings.Contains(query, "%") { // names may be encoded too
		return query
	}
	var kept []string
	presigned := false
	for member := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(member, "=")
		name = unescape(name)
		presigned = presigned || name == paramSignature
		if !ofSignature(name) {
			kept = append(kept, member)
		}
	}
	if !presigned {
		return query
	}
	return strings.Join(kept, "&")
}

func ofSignature(name string) bool {
	switch name {
	case paramAlgorithm, paramCredential, paramDate, paramExpires, paramSignedHeaders, paramSignature, paramToken:
		return true
	}
	return false
}
