package hooks_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/hooks"
)

type hookOf[T any] = func(context.Context, T) error

func TestNestedProfile(t *testing.T) {
	for _, c := range []struct {
		name       string
		path       []string
		body, want string
	}{
		{"member", []string{"data"}, `{"id":1,"data":{"id":9007199254740993}}`, `{"id":9007199254740993}`},
		{"element", []string{"data", "0"}, `{"data":[{"id":"a"},{"id":"b"}]}`, `{"id":"a"}`},
		{"top element", []string{"0"}, ` [ {"id":"a"} ]`, `{"id":"a"}`},
		{"no path", nil, `{"id":1}`, `{"id":1}`},
		{"no such member", []string{"data"}, `{"id":1}`, ""}, // UI-08: not the outer one
		{"no element", []string{"data", "0"}, `{"data":[],"id":1}`, ""},
		{"beyond", []string{"data", "2"}, `{"data":[{"id":1}]}`, ""},
		{"negative", []string{"data", "-1"}, `{"data":[{"id":1}]}`, ""},
		{"null", []string{"data"}, `{"data":null}`, ""},
		{"a list", []string{"data"}, `{"data":[]}`, ""},
		{"through a text", []string{"a", "b"}, `{"a":"b"}`, ""},
		{"twice", []string{"data"}, `{"data":{"id":1},"data":{"id":2}}`, ""},
		{"twice inside", []string{"data"}, `{"data":{"id":1,"id":2}}`, ""},
		{"no JSON", []string{"data"}, `<html>`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := answer("application/json", c.body)
			err := hooks.NestedProfile(c.path...).UserInfoResponse(t.Context(), r)
			if c.want == "" {
				require.Error(t, err)
				require.Equal(t, c.body, string(r.Body))
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, string(r.Body))
		})
	}
	r := answer("application/json", `{"error":"x"}`)
	r.Status = http.StatusUnauthorized
	require.NoError(t, hooks.NestedProfile("data").UserInfoResponse(t.Context(), r), "the status says what is wrong")
}

func TestFirstFormPostUser(t *testing.T) {
	for _, c := range []struct{ name, had, user, want string }{
		{"both names", "", `{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"evil@example.com"}`, "Ada Lovelace"},
		{"one name", "", `{"name":{"firstName":"Ada"}}`, "Ada"},
		{"the provider's own", "Countess", `{"name":{"firstName":"Ada"}}`, "Countess"},
		{"none", "", ``, ""},
		{"no JSON", "", `Ada`, ""},
		{"another shape", "", `{"name":"Ada"}`, ""},
		{"twice", "", `{"name":{"firstName":"Ada"},"name":{"firstName":"Bob"}}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &hooks.Profile{Name: c.had, Email: "ada@example.com", Answer: url.Values{"user": {c.user}}}
			require.NoError(t, hooks.FirstFormPostUser().Profile(t.Context(), p))
			require.Equal(t, c.want, p.Name)
			require.Equal(t, "ada@example.com", p.Email, "what the browser brings is no address")
			require.False(t, p.EmailVerified)
		})
	}
}

// UI-07: numbers keep their digits.
func TestProfileDecodes(t *testing.T) {
	p := &hooks.Profile{UserInfo: []byte(`{"id":9007199254740993,"ids":[12345678],"Email":"x","email":"y"}`)}
	var v map[string]any
	require.NoError(t, p.DecodeUserInfo(&v))
	require.Equal(t, json.Number("9007199254740993"), v["id"])
	require.Equal(t, []any{json.Number("12345678")}, v["ids"])
	var s struct {
		ID    json.Number `json:"id"`
		Email string      `json:"email"`
	}
	require.NoError(t, p.DecodeUserInfo(&s))
	require.Equal(t, "9007199254740993", s.ID.String())
	require.Equal(t, "y", s.Email)

	require.Error(t, p.DecodeClaims(&v), "there is no ID token")
	for _, body := range []string{``, `{"a":1,"a":2}`, "{\"a\":\"\xff\"}", `{"id":1}{}`, `<canary>`} {
		err := (&hooks.Profile{Claims: []byte(body)}).DecodeClaims(&v)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "canary")
	}
	var n struct {
		ID int `json:"id"`
	}
	err := (&hooks.Profile{Claims: []byte(`{"id":"canary"}`)}).DecodeClaims(&n)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "canary")
	require.Contains(t, err.Error(), "/id")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestProfileGet(t *testing.T) {
	for _, c := range []struct {
		name, contentType, body string
		status                  int
		ok                      bool
	}{
		{"JSON", "application/json; charset=utf-8", `[{"email":"a@b.c"}]`, 200, true},
		{"of a vendor", "application/vnd.github+json", `[{"email":"a@b.c"}]`, 200, true},
		{"403", "application/json", `[]`, 403, false},
		{"HTML", "text/html", `[]`, 200, false},
		{"no type", "", `[]`, 200, false},
		{"no JSON", "application/json", `canary`, 200, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &hooks.Profile{Client: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				require.Equal(t, "user/emails", r.URL.String())
				require.Equal(t, "application/json", r.Header.Get("Accept"))
				return &http.Response{StatusCode: c.status, Header: http.Header{"Content-Type": {c.contentType}}, Body: http.NoBody, Request: r}, nil
			})}}
			p.Client.Transport = withBody(p.Client.Transport, c.body)
			var emails []struct {
				Email string `json:"email"`
			}
			err := p.Get(t.Context(), "user/emails", &emails)
			require.Equal(t, c.ok, err == nil, "%v", err)
			if c.ok {
				require.Equal(t, "a@b.c", emails[0].Email)
				return
			}
			require.NotContains(t, err.Error(), "canary")
		})
	}
	require.Error(t, (&hooks.Profile{}).Get(t.Context(), "x", nil))
	require.Error(t, (&hooks.Profile{Client: http.DefaultClient}).Get(t.Context(), "%zz", nil))
}

func withBody(rt http.RoundTripper, body string) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		resp, err := rt.RoundTrip(r)
		resp.Body = readCloser{strings.NewReader(body)}
		return resp, err
	})
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }
