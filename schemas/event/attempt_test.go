package event

import "testing"

func TestWithAttempt(t *testing.T) {
	for _, c := range []struct{ context, want string }{
		{`{"messageId":"m"}`, `{"messageId":"m","deliveryAttempt":3}`},
		{"{\"messageId\":\"m\"}\n", `{"messageId":"m","deliveryAttempt":3}`},
		{``, ``},
		{`null`, `null`},
	} {
		before := []byte(c.context)
		got := WithAttempt(before, 3)
		if string(got) != c.want {
			t.Errorf("%q became %q, want %q", c.context, got, c.want)
		}
		if string(before) != c.context {
			t.Errorf("the context that was given is %q now", before)
		}
	}
	read, err := Parse(WithAttempt([]byte(`{"messageId":"m"}`), 12))
	if err != nil || read.DeliveryAttempt != 12 || read.MessageID != "m" {
		t.Errorf("read back: %+v, %v", read, err)
	}
}
