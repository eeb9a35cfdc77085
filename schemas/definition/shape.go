package definition

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/sallyport/sallyport/gateway"
)

// form is what a value of a document looks like.
type form uint8

const (
	formText form = iota + 1
	formInteger
	formBoolean
	formList
	formMap    // keys are the author's
	formObject // keys are ours
	// formEither is a piece of text or an object: limits, and a route's integration.
	formEither
	formNumber
	formJSON // anything that JSON can hold, kept as it is: the schema of a model
)

// shape describes the values of one Go type. The decoder reads by it and the JSON Schema is written from it.
type shape struct {
	form form
	// typ is the Go type, pointers taken off.
	typ reflect.Type
	// words are the allowed values of a text; nil allows any.
	words []string
	// fields of an object, in the order of the Go struct.
	fields []field
	// elem is the shape of the items of a list or map.
	elem *shape
	// text and object are the two sides of an either, and the indexes of the Go fields that they fill; objectField
	// is -1 when the object fills the struct itself.
	text, object           *shape
	textField, objectField int
}

// field is one key of an object.
type field struct {
	name     string
	index    int
	required bool
	shape    *shape
}

// key returns the name of a field in the annotation table: API.name.
func (s *shape) key(f field) string { return s.typ.Name() + "." + f.name }

// field returns the field called name.
func (s *shape) field(name string) (field, bool) {
	for _, f := range s.fields {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}

// names returns the keys of an object.
func (s *shape) names() []string {
	names := make([]string, len(s.fields))
	for i, f := range s.fields {
		names[i] = f.name
	}
	return names
}

// documentShape is the shape of a whole document. It is made anew for each document, which costs less than reading
// the smallest one.
func documentShape() *shape { return shapeOf(reflect.TypeFor[gateway.API]()) }

// shapeOf reads the shape of a type from its kind and its json tags. It panics on a type that no document can hold,
// which a test of this package would show.
func shapeOf(t reflect.Type) *shape {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[json.RawMessage]():
		return &shape{form: formJSON, typ: t}
	case reflect.TypeFor[gateway.LimitSettings]():
		return &shape{
			form: formEither, typ: t,
			text:      shapeOf(reflect.TypeFor[gateway.LimitProfile]()),
			object:    objectOf(t),
			textField: fieldIndex(t, "Profile"), objectField: -1,
		}
	case reflect.TypeFor[gateway.IntegrationRef]():
		return &shape{
			form: formEither, typ: t,
			text:      shapeOf(reflect.TypeFor[string]()),
			object:    objectOf(reflect.TypeFor[gateway.Integration]()),
			textField: fieldIndex(t, "Name"), objectField: fieldIndex(t, "Inline"),
		}
	}
	switch t.Kind() {
	case reflect.String:
		return &shape{form: formText, typ: t, words: wordsOf(t)}
	case reflect.Int:
		return &shape{form: formInteger, typ: t}
	case reflect.Float64:
		return &shape{form: formNumber, typ: t}
	case reflect.Bool:
		return &shape{form: formBoolean, typ: t}
	case reflect.Slice:
		return &shape{form: formList, typ: t, elem: shapeOf(t.Elem())}
	case reflect.Map:
		return &shape{form: formMap, typ: t, elem: shapeOf(t.Elem())}
	case reflect.Struct:
		return objectOf(t)
	}
	panic(fmt.Sprintf("definition: no document can hold a %v", t))
}

// objectOf reads the fields of a struct. A field without omitempty is required.
func objectOf(t reflect.Type) *shape {
	s := &shape{form: formObject, typ: t}
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		s.fields = append(s.fields, field{
			name:     name,
			index:    i,
			required: options == "",
			shape:    shapeOf(t.Field(i).Type),
		})
	}
	return s
}

func fieldIndex(t reflect.Type, name string) int {
	f, ok := t.FieldByName(name)
	if !ok {
		panic(fmt.Sprintf("definition: %v has no field %s", t, name))
	}
	return f.Index[0]
}

// wordsOf lists the values of the types that have a fixed set of them.
func wordsOf(t reflect.Type) []string {
	switch t {
	case reflect.TypeFor[gateway.Protocol]():
		return []string{string(gateway.ProtocolWebSocket), string(gateway.ProtocolHTTP)}
	case reflect.TypeFor[gateway.LimitProfile]():
		return []string{string(gateway.ProfileDefault), string(gateway.ProfileAWS)}
	case reflect.TypeFor[gateway.BinaryPolicy]():
		return []string{string(gateway.BinaryAccept), string(gateway.BinaryRefuse)}
	case reflect.TypeFor[gateway.IntegrationType]():
		return []string{
			string(gateway.IntegrationHTTPProxy), string(gateway.IntegrationLambda), string(gateway.IntegrationNATS),
			string(gateway.IntegrationMock), string(gateway.IntegrationAWSProxy), string(gateway.IntegrationHTTP),
			string(gateway.IntegrationAWS),
		}
	case reflect.TypeFor[gateway.PassthroughBehavior]():
		return []string{string(gateway.PassthroughNoMatch), string(gateway.PassthroughNoTemplates), string(gateway.PassthroughNever)}
	case reflect.TypeFor[gateway.ContentHandling]():
		return []string{string(gateway.ConvertToBinary), string(gateway.ConvertToText)}
	case reflect.TypeFor[gateway.AuthorizerType]():
		return []string{string(gateway.AuthorizerRequest), string(gateway.AuthorizerJWT)}
	case reflect.TypeFor[gateway.PostDuringConnect]():
		return []string{string(gateway.PostGone), string(gateway.PostHold)}
	case reflect.TypeFor[gateway.Delivery]():
		return []string{string(gateway.DeliverAtMostOnce), string(gateway.DeliverAtLeastOnce)}
	case reflect.TypeFor[gateway.HandshakePart]():
		return []string{string(gateway.HandshakeHeaders), string(gateway.HandshakeQuery)}
	}
	return nil
}

// canonical returns the word that stands for word in a gateway.API: documents may say AWS_PROXY, definitions say LAMBDA.
func canonical(t reflect.Type, word string) string {
	if t == reflect.TypeFor[gateway.IntegrationType]() && word == string(gateway.IntegrationAWSProxy) {
		return string(gateway.IntegrationLambda)
	}
	return word
}
