package pkce_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/pkce"
)

// The example of RFC 7636 appendix B.
var (
	appendixB = [32]byte{
		116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186,
		22, 212, 37, 77, 105, 214, 191, 240, 91, 88, 5, 88, 83, 132, 141, 121,
	}
	appendixBVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	appendixBChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

func TestAppendixB(t *testing.T) {
	v := pkce.FromRandom(appendixB)
	require.Equal(t, appendixBVerifier, string(v))
	require.Equal(t, appendixBChallenge, v.Challenge())
	require.Equal(t, "S256", pkce.Method)
}

// LI-10: 10000 verifiers, each of 43 unreserved characters, and no two the same.
func TestNewVerifier(t *testing.T) {
	seen := make(map[pkce.Verifier]bool)
	for range 10_000 {
		v := pkce.NewVerifier()
		_, err := pkce.ParseVerifier(string(v))
		require.NoError(t, err)
		require.Len(t, string(v), 43)
		require.False(t, seen[v], "a verifier came twice")
		seen[v] = true
	}
}

func TestParseVerifier(t *testing.T) {
	for _, c := range []struct {
		name, in string
		ok       bool
	}{
		{"appendix B", appendixBVerifier, true},
		{"all unreserved marks", strings.Repeat("aZ09-._~", 6), true},
		{"shortest", strings.Repeat("a", 43), true},
		{"longest", strings.Repeat("a", 128), true},
		{"empty", "", false},
		{"one too short", strings.Repeat("a", 42), false},
		{"one too long", strings.Repeat("a", 129), false},
		{"plus", strings.Repeat("a", 43) + "+", false},
		{"slash", strings.Repeat("a", 43) + "/", false},
		{"padding", strings.Repeat("a", 43) + "=", false},
		{"space", strings.Repeat("a", 43) + " ", false},
		{"line feed", strings.Repeat("a", 43) + "\n", false},
		{"NUL", strings.Repeat("a", 43) + "\x00", false},
		{"not ASCII", strings.Repeat("é", 43), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := pkce.ParseVerifier(c.in)
			require.Equal(t, c.ok, err == nil, "%v", err)
			if c.ok {
				require.Equal(t, c.in, string(got))
				return
			}
			require.Empty(t, string(got))
			if c.in != "" {
				require.NotContains(t, err.Error(), c.in)
			}
		})
	}
}

// LG-03: a verifier does not print.
func TestVerifierDoesNotPrint(t *testing.T) {
	v := pkce.NewVerifier()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		require.NotContains(t, fmt.Sprintf(verb, v), string(v))
		require.NotContains(t, fmt.Sprintf(verb, struct{ V pkce.Verifier }{v}), string(v))
	}
	require.NotContains(t, fmt.Sprintf("%x", v), fmt.Sprintf("%x", string(v)))
	require.Equal(t, "[redacted]", v.String())
	b, err := json.Marshal(map[string]any{"v": v})
	require.NoError(t, err)
	require.JSONEq(t, `{"v":"[redacted]"}`, string(b))
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("login", "verifier", v)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("login", "verifier", v)
	require.NotContains(t, log.String(), string(v))
	require.Contains(t, log.String(), "redacted")
}

// FuzzParseVerifier: what is accepted is what RFC 7636 section 4.1 allows, unchanged, and
// its challenge is itself a valid verifier by form.
func FuzzParseVerifier(f *testing.F) {
	f.Add(appendixBVerifier)
	f.Add(strings.Repeat("~", 128))
	f.Add(strings.Repeat("\xff", 43))
	f.Fuzz(func(t *testing.T, s string) {
		v, err := pkce.ParseVerifier(s)
		const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
		allowed := len(s) >= 43 && len(s) <= 128 && onlyOf(s, unreserved)
		require.Equal(t, allowed, err == nil)
		if err == nil {
			require.Equal(t, s, string(v))
			_, err = pkce.ParseVerifier(v.Challenge())
			require.NoError(t, err)
		}
	})
}

func onlyOf(s, chars string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune(chars, r) }) < 0
}

func BenchmarkNewVerifier(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = pkce.NewVerifier().Challenge()
	}
}
