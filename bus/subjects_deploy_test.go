package bus

import (
	"maps"
	"os"
	"testing"

	"github.com/nats-io/nats-server/v2/conf"
)

// TestMappingsOfDeployedAccounts: the accounts for a cluster of its own have the mappings that the embedded server gives itself.
func TestMappingsOfDeployedAccounts(t *testing.T) {
	for _, name := range []string{"EDGE", "WORKER", "CONTROL", "CHAT"} {
		t.Setenv("SALLYPORT_PASSWORD_"+name, "secret")
	}
	text, err := os.ReadFile("../deploy/nats/accounts.conf")
	if err != nil {
		t.Fatal(err)
	}
	all, err := conf.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	accounts, _ := all["accounts"].(map[string]any)
	account, _ := accounts["SALLYPORT"].(map[string]any)
	mappings, _ := account["mappings"].(map[string]any)
	want := map[string]any{}
	for _, m := range (Subjects{}).Mappings() {
		want[m.From] = m.To
	}
	if !maps.Equal(mappings, want) {
		t.Errorf("mappings of the account: %v\nwant %v", mappings, want)
	}
}
