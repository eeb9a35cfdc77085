package integrations

import (
	"slices"

	"github.com/sallyport/sallyport/gateway"
)

// FaultError is a fault that only Open can find, since it depends on the stage.
type FaultError struct{ Fault gateway.Fault }

// Error returns the fault as text.
func (e *FaultError) Error() string { return e.Fault.String() }

// Field names a member of an integration by its key in the document.
type Field string

// The members that only some kinds use. type and timeoutInMillis belong to all.
const (
	FieldURI                  Field = "uri"
	FieldHTTPMethod           Field = "httpMethod"
	FieldSubject              Field = "subject"
	FieldPayloadFormatVersion Field = "payloadFormatVersion"
	FieldRequestParameters    Field = "requestParameters"
	FieldRequestTemplates     Field = "requestTemplates"
	FieldResponses            Field = "responses"
	FieldTemplateSelection    Field = "templateSelectionExpression"
	FieldPassthrough          Field = "passthroughBehavior"
	FieldContentHandling      Field = "contentHandling"
)

// Unused reports the members of in that are set although the kind does not use them: most often a sign that another
// type was meant.
func Unused(in *gateway.Integration, used ...Field) []gateway.Fault {
	set := []struct {
		field Field
		given bool
	}{
		{FieldURI, in.URI != ""},
		{FieldHTTPMethod, in.HTTPMethod != ""},
		{FieldSubject, in.Subject != ""},
		{FieldPayloadFormatVersion, in.PayloadFormatVersion != ""},
		{FieldRequestParameters, len(in.RequestParameters) > 0},
		{FieldRequestTemplates, len(in.RequestTemplates) > 0},
		{FieldResponses, len(in.Responses) > 0},
		{FieldTemplateSelection, in.TemplateSelectionExpression != ""},
		{FieldPassthrough, in.PassthroughBehavior != ""},
		{FieldContentHandling, in.ContentHandling != ""},
	}
	var faults []gateway.Fault
	for _, f := range set {
		if f.given && !slices.Contains(used, f.field) {
			faults = append(faults, gateway.Fault{
				Path:    []string{string(f.field)},
				Problem: string(f.field) + " is not used by " + string(in.Type),
				Hint:    "remove it, or choose the type that it belongs to",
			})
		}
	}
	return faults
}

// CheckPayloadFormatVersion reports a payloadFormatVersion other than "1.0" and "2.0" (contract/http-api.md §6.1);
// leaving it out is always right. For WebSocket events the two are the same (contract/websocket-api.md §7.2).
func CheckPayloadFormatVersion(in *gateway.Integration) []gateway.Fault {
	switch in.PayloadFormatVersion {
	case "", "1.0", "2.0":
		return nil
	}
	return []gateway.Fault{{
		Path:    []string{string(FieldPayloadFormatVersion)},
		Problem: "unknown payload format version " + quote(in.PayloadFormatVersion),
		Hint:    `"1.0" or "2.0", in quotes`,
	}}
}

// maxQuoted keeps a fault on one line whatever stands in the document.
const maxQuoted = 64

func quote(s string) string {
	if len(s) > maxQuoted {
		s = s[:maxQuoted] + "…"
	}
	return `"` + s + `"`
}

// Under puts faults below the member in which they were found.
func Under(field Field, faults []gateway.Fault) []gateway.Fault {
	for i := range faults {
		faults[i].Path = append([]string{string(field)}, faults[i].Path...)
	}
	return faults
}
