package signon

import (
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/oidc"
)

func TestProfileForm(t *testing.T) {
	for name, p := range map[string]*profile{
		"empty":          {},
		"all":            {name: "Ada\x00", email: "a@b.c", picture: "https://x", verified: true, userinfo: []byte(`{"a": 1}`)},
		"empty userinfo": {userinfo: []byte{}},
		"long":           {name: strings.Repeat("n", 300)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseProfile(p.append(nil))
			require.NoError(t, err)
			require.Equal(t, p, got)
		})
	}
	for name, b := range map[string]string{
		"nothing": "", "short": "\x00", "flag": "\x02\x00\x00\x00\x00", "other flag": "\x00\x02\x00\x00\x00",
		"cut": "\x00\x00\x05a", "no length": "\x00\x00\xff", "huge": "\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"more": "\x00\x00\x00\x00\x00{}", "an old userinfo": `{"sub":"alice"}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseProfile([]byte(b))
			require.ErrorIs(t, err, ErrNoLogin)
		})
	}
}

// FuzzProfileForm: what is read is what would be written.
func FuzzProfileForm(f *testing.F) {
	f.Add((&profile{name: "Ada", email: "a@b.c", verified: true, userinfo: []byte("{}")}).append(nil))
	f.Add([]byte("\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parseProfile(b)
		if err != nil {
			return
		}
		again, err := parseProfile(p.append(nil))
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}

// FuzzStandardProfile: whatever two sources claim, what comes out can be shown, stored and
// written to, and an address counts as verified only by the ID token's leave.
func FuzzStandardProfile(f *testing.F) {
	f.Add([]byte(`{"name":"Ada","email":"a@b.c","email_verified":true}`), []byte(`{"picture":"https://x.test/p"}`))
	f.Add([]byte(`{"email_verified":false}`), []byte(`{"email":"a@b.c","email_verified":true,"given_name":"\u202e"}`))
	f.Add([]byte(`[`), []byte(`{"name":"a","name":"b"}`))
	f.Fuzz(func(t *testing.T, idToken, userinfo []byte) {
		p := standardProfile(idToken, userinfo)
		require.LessOrEqual(t, len(p.name), maxDisplayName)
		require.True(t, utf8.ValidString(p.name))
		require.False(t, strings.ContainsFunc(p.name, unicode.IsControl))
		require.True(t, p.email == "" || oidc.IsAddress(p.email))
		require.True(t, !p.verified || p.email != "")
		if p.picture != "" {
			u, err := url.Parse(p.picture)
			require.NoError(t, err)
			require.Contains(t, []string{"http", "https"}, u.Scheme)
			require.NotEmpty(t, u.Host)
		}
		if p.verified {
			said := readStandard(idToken)
			require.True(t, !said.hasVerified || said.verified)
		}
		require.Equal(t, p, p.cleaned(), "clean is clean")
	})
}

// FuzzKeptAnswer: what a form_post brings beside the protocol's own comes through the
// cookie as it was, and changes nothing of the protocol's.
func FuzzKeptAnswer(f *testing.F) {
	f.Add("user=%7B%7D&a=b", "state", "code")
	f.Add("answer.state=x&deadline=0&state=y", "s", "c")
	g, err := New(Config{BaseURL: "https://app.test"})
	if err != nil {
		f.Fatal(err)
	}
	c := &Client{name: "op", registry: g}
	f.Fuzz(func(t *testing.T, query, state, code string) {
		params, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		cb := &callback{state: state, code: code}
		cb.answer, cb.dropped = otherParams(params)
		sealed := g.transactions.ring.SealString([]byte(cb.encode(time.Now().Add(time.Minute))), c.answerAAD("n", "s"))
		got, err := c.openAnswer("n", "s."+sealed)
		require.NoError(t, err)
		require.Equal(t, state, got.state)
		require.Equal(t, code, got.code)
		require.Equal(t, cb.answer, got.answer)
	})
}
