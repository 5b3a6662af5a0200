// Package need says what happens to a test whose server is not on the machine.
package need

import (
	"os"
	"testing"
)

// Missing ends a test that needs a server, a runtime or a browser which is not
// installed: it skips, with the reason and the remedy, on a developer's machine,
// and fails where SIGNON_CI=1 says that everything has to be there.
func Missing(t testing.TB, what, remedy string) {
	t.Helper()
	if os.Getenv("SIGNON_CI") == "1" {
		t.Fatalf("%s is missing and SIGNON_CI=1 forbids to skip: %s", what, remedy)
	}
	t.Skipf("needs %s: %s", what, remedy)
}
