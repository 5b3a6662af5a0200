package hooks_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/hooks"
)

// HK-07, LG-03: what a hook is given does not print what is secret in it.
func TestMessagesDoNotPrint(t *testing.T) {
	a := hooks.Authorize{Provider: "p", Params: url.Values{"state": {"canary"}}}
	r := hooks.Request{
		Provider: "p", URL: "https://user:canary@op.example/token?key=canary#canary",
		Header: http.Header{"Authorization": {"canary"}}, Params: url.Values{"refresh_token": {"canary"}},
	}
	s := hooks.Response{
		Provider: "p", URL: "https://op.example/token?key=canary", Status: 200,
		Header: http.Header{"Set-Cookie": {"canary"}}, Body: []byte(`{"access_token":"canary"}`),
	}
	b := hooks.AuthorizeResponse{Provider: "p", Params: url.Values{"code": {"canary"}}}
	p := hooks.Profile{
		Provider: "p", Subject: "canary", Claims: []byte("canary"), UserInfo: []byte("canary"),
		Extra: map[string]any{"a": "canary"}, Answer: url.Values{"user": {"canary"}},
		Client: &http.Client{}, Name: "canary", Email: "canary@example.com", Picture: "https://canary.example",
	}
	for _, v := range []any{a, &a, b, &b, r, &r, s, &s, p, &p, []any{a, b, r, s, p}, struct{ M any }{&r}, struct{ M any }{&p}} {
		var out strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&out, verb, v)
		}
		b, err := json.Marshal(v)
		require.NoError(t, err)
		out.Write(b)
		slog.New(slog.NewTextHandler(&out, nil)).Info("hook", "message", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("hook", "message", v)
		require.NotContains(t, out.String(), "canary")
		require.NotContains(t, out.String(), fmt.Sprintf("%x", "canary"))
		require.Contains(t, out.String(), "p")
	}
	require.Equal(t, `hooks.Request{Provider: "p", URL: "https://op.example/token", Header: ["Authorization"], Params: ["refresh_token"]}`, r.String())
	require.Contains(t, hooks.Request{URL: "https://%zz:canary"}.String(), "[not a URL]")
}

// HK-04: a clone shares nothing with what it was made from.
func TestClone(t *testing.T) {
	a := &hooks.Authorize{Provider: "p", Params: url.Values{"scope": {"a"}}}
	r := &hooks.Request{Provider: "p", URL: "u", Header: http.Header{"A": {"a"}}, Params: url.Values{"scope": {"a"}}}
	s := &hooks.Response{Provider: "p", URL: "u", Status: 200, Header: http.Header{"A": {"a"}}, Body: []byte("a")}
	b := &hooks.AuthorizeResponse{Provider: "p", Params: url.Values{"code": {"a"}}}
	a2, b2, r2, s2 := a.Clone(), b.Clone(), r.Clone(), s.Clone()
	require.Equal(t, []any{a, b, r, s}, []any{a2, b2, r2, s2})

	a2.Params["scope"][0], b2.Params["code"][0] = "b", "b"
	r2.Header["A"][0], r2.Params["scope"][0] = "b", "b"
	s2.Header["A"][0], s2.Body[0] = "b", 'b'
	require.Equal(t, "a", a.Params.Get("scope"))
	require.Equal(t, "a", b.Params.Get("code"))
	require.Equal(t, "a", r.Header.Get("A"))
	require.Equal(t, "a", r.Params.Get("scope"))
	require.Equal(t, "a", s.Header.Get("A"))
	require.Equal(t, "a", string(s.Body))
}
