package bus

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/conf"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	// AuthAccount is the account of a --nats-auth file that holds the gateway's subjects.
	AuthAccount = "SALLYPORT"
	// internalUser is the name of the user that we add for our own connection. Its password exists in this process alone.
	internalUser = "sallyport-internal"
	// maxAuthBytes bounds the file, which is read before it is parsed: ten thousand users.
	maxAuthBytes = 4 << 20
)

// authKeys are the options of nats-server that a --nats-auth file may have. Others are set by flags of ours, or would open
// listeners that nobody asked for.
var authKeys = []string{"accounts", "authorization", "system_account", "system", "no_auth_user", "tls", "allow_non_tls", "cluster"}

// authClusterKeys are those within cluster.
var authClusterKeys = []string{"authorization", "tls"}

// auth is what a --nats-auth file says, ready for a server.
type auth struct {
	options  *server.Options
	account  string // "" is the global account
	password string
}

// loadAuth reads a file as nats-server does, and adds our own user.
func loadAuth(path string) (*auth, error) {
	if err := checkAuthKeys(path); err != nil {
		return nil, fmt.Errorf("--nats-auth %s: %w", path, err)
	}
	options, err := server.ProcessConfigFile(path)
	if err != nil {
		return nil, fmt.Errorf("--nats-auth %s: %w", path, err)
	}
	a := &auth{options: options, password: rand.Text()}
	if err := a.join(); err != nil {
		return nil, fmt.Errorf("--nats-auth %s: %w", path, err)
	}
	return a, nil
}

// checkAuthKeys refuses options that are none of such a file.
func checkAuthKeys(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > maxAuthBytes {
		return fmt.Errorf("larger than %d bytes", maxAuthBytes)
	}
	// The parser gives values as tokens, which say where they stand and whether a $NAME refers to them.
	parsed, err := conf.ParseFileWithChecks(path)
	if err != nil {
		return err
	}
	type token interface {
		Value() any
		IsUsedVariable() bool
		Line() int
	}
	check := func(values map[string]any, allowed []string, where string) error {
		for key, v := range values {
			t, ok := v.(token)
			if slices.Contains(allowed, strings.ToLower(key)) || ok && t.IsUsedVariable() {
				continue
			}
			line := 0
			if ok {
				line = t.Line()
			}
			return fmt.Errorf("line %d: the option %s%s does not belong there: the file may have %s. For more, run nats-server and give --nats",
				line, where, key, strings.Join(allowed, ", "))
		}
		return nil
	}
	if err := check(parsed, authKeys, ""); err != nil {
		return err
	}
	for key, v := range parsed {
		if t, ok := v.(token); ok && strings.EqualFold(key, "cluster") {
			cluster, _ := t.Value().(map[string]any)
			return check(cluster, authClusterKeys, "cluster.")
		}
	}
	return nil
}

// join finds the account, and adds our user to it. nats-server takes either a list of users or a single one, so a single
// one becomes a list.
func (a *auth) join() error {
	o := a.options
	var account *server.Account
	for _, one := range o.Accounts {
		if one.Name == AuthAccount {
			account, a.account = one, one.Name
		}
	}
	switch {
	case account == nil && len(o.Accounts) > 0:
		return fmt.Errorf("it has accounts, but none of the name %s, which holds the gateway's subjects", AuthAccount)
	case o.Authorization != "":
		return errors.New("a token can't stand beside the gateway's own user: make it a user with a password")
	case o.AuthCallout != nil:
		return errors.New("auth_callout is not taken: run nats-server and give --nats")
	case len(o.Users) == 0 && len(o.Nkeys) == 0 && o.Username == "":
		return errors.New("it has no user, so nobody could connect")
	}
	if o.Username != "" {
		o.Users = append(o.Users, &server.User{Username: o.Username, Password: o.Password})
		o.Username, o.Password = "", ""
	}
	o.Users = append(o.Users, &server.User{Username: internalUser, Password: a.password, Account: account})
	return nil
}

// checkCluster refuses a listener for servers from elsewhere that lets every server in.
func (a *auth) checkCluster(listen string) error {
	c := a.options.Cluster
	verified := c.TLSConfig != nil && c.TLSConfig.ClientAuth == tls.RequireAndVerifyClientCert
	if loopbackHost(c.Host) || c.Username != "" || verified {
		return nil
	}
	return fmt.Errorf("--nats-cluster-listen %s: any server could join from other machines: give cluster { authorization { … } } or cluster { tls { verify: true … } } in --nats-auth", listen)
}

func loopbackHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// login is the option for our own connection.
func (a *auth) login() nats.Option { return nats.UserInfo(internalUser, a.password) }
