package hooks_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/hooks"
)

// TE-02: an error under another name is one, whatever the status, and success is none.
func TestErrorMember(t *testing.T) {
	fix := hooks.ErrorMember("errcode", "errmsg")
	for _, c := range []struct{ name, body, want string }{
		{"a number", `{"errcode":40029,"errmsg":"bad"}`, `{"errcode":40029,"errmsg":"bad","error":"40029","error_description":"bad"}`},
		{"a large one", `{"errcode":9007199254740993}`, `{"errcode":9007199254740993,"error":"9007199254740993"}`},
		{"negative", `{"errcode":-1}`, `{"errcode":-1,"error":"-1"}`},
		{"a string", `{"errcode":"bad_code"}`, `{"errcode":"bad_code","error":"bad_code"}`},
		{"beside a token", `{"access_token":"a","errcode":1}`, `{"access_token":"a","errcode":1,"error":"1"}`},
		{"a standard one stays", `{"errcode":1,"error":"invalid_grant"}`, `{"errcode":1,"error":"invalid_grant"}`},
		{"true", `{"errcode":true}`, `{"errcode":true,"error":"true"}`},
		{"an object is no code", `{"errcode":{"a":1}}`, `{"errcode":{"a":1},"error":{"a":1}}`},
		{"a description that is none", `{"errcode":1,"errmsg":7}`, `{"errcode":1,"errmsg":7,"error":"1"}`},
		{"zero", `{"access_token":"a","errcode":0}`, `{"access_token":"a"}`},
		{"zero as text", `{"errcode":"0"}`, `{}`},
		{"empty", `{"errcode":""}`, `{}`},
		{"null", `{"errcode":null}`, `{}`},
		{"false", `{"errcode":false}`, `{}`},
		{"absent", `{"access_token":"a"}`, `{"access_token":"a"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, f := range []func(context.Context, *hooks.Response) error{fix.TokenResponse, fix.RefreshResponse, fix.RevokeResponse, fix.IntrospectResponse} {
				r := answer("application/json", c.body)
				require.NoError(t, f(t.Context(), r))
				require.JSONEq(t, c.want, string(r.Body))
			}
		})
	}
	// A number in error itself.
	requireFixed(t, hooks.ErrorMember("error", "message"), `{"error":0,"access_token":"a"}`, `{"access_token":"a"}`)
	requireFixed(t, hooks.ErrorMember("error", "message"), `{"error":7,"message":"x"}`, `{"error":"7","error_description":"x","message":"x"}`)
	requireFixed(t, hooks.ErrorMember("error", ""), `{"error":"x"}`, `{"error":"x"}`)
}

func TestErrorCodes(t *testing.T) {
	codes := map[string]string{"40029": "invalid_grant"}
	fix := hooks.Join(hooks.ErrorMember("errcode", ""), hooks.ErrorCodes(codes))
	clear(codes) // a fix keeps its own
	requireFixed(t, fix, `{"errcode":40029}`, `{"errcode":40029,"error":"invalid_grant"}`)
	requireFixed(t, fix, `{"errcode":7}`, `{"errcode":7,"error":"7"}`)
	requireFixed(t, fix, `{"access_token":"a"}`, `{"access_token":"a"}`)
}
