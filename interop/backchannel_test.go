package interop_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/interop/op"
)

// The logout tokens of oidc-provider end exactly the right logins, in two processes over
// one database, whichever of the two is told: alice is signed in from three browsers, and
// bob from one.
func TestBackChannelTwoProcesses(t *testing.T) {
	kinds := []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB}
	tests := map[string]func(*testing.T, *copies, string){"by sid": endOneBySID, "by sub": endAllBySubject}
	program := buildReplica(t)
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			worlds := map[string]*copies{}
			var clients []op.Client
			for name := range tests {
				c := newCopies(t, kind, name)
				worlds[name] = c
				clients = append(clients, op.Client{
					ID: name, Secret: clientSecret, RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{loggedOut},
					BackChannelLogoutURI: c.backChannel(), BackChannelLogoutWithID: name == "by sid",
				})
			}
			issuer := op.Start(t, op.Config{Clients: clients}).Issuer
			for name, test := range tests {
				t.Run(name, func(t *testing.T) {
					c := worlds[name]
					c.start(t, program, issuer)
					test(t, c, issuer)
				})
			}
		})
	}
}

// LO-20: this client is told of a sid, and one login ends.
func endOneBySID(t *testing.T, c *copies, issuer string) {
	bob, first, second, third := c.signIn("bob"), c.signIn("alice"), c.signIn("alice"), c.signIn("alice")
	c.requireRows(4)

	second.signOutThere(issuer)
	c.requireTold(1)
	c.requireOut(second)
	c.requireIn(bob, first, third)
	c.requireRows(3) // LO-39: the token too

	// LO-07, LO-34: an application's own logout is told to it as well, when the login has
	// ended and the browser is not back yet.
	require.Equal(t, origin+"/", third.post("/auth/logout/op").URL.String())
	require.NotEmpty(t, third.back)
	c.requireTold(2)
	c.requireOut(second, third)
	c.requireIn(bob, first)
	c.requireRows(2)
}

// LO-21: this client is told of a subject only, and all logins of alice's end, also when
// others of hers have ended before.
func endAllBySubject(t *testing.T, c *copies, issuer string) {
	for round := range 2 {
		bob, first, second, third := c.signIn("bob"), c.signIn("alice"), c.signIn("alice"), c.signIn("alice")
		if round == 0 {
			second.signOutThere(issuer)
		} else {
			require.Equal(t, origin+"/", second.post("/auth/logout/op").URL.String())
			require.NotEmpty(t, second.back)
		}
		c.requireTold(round + 1)
		c.requireOut(first, second, third)
		c.requireIn(bob)
		c.requireRows(1 + round) // bob's
	}
}
