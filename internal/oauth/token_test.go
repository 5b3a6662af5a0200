package oauth_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/oauth"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func parse(body string) (*oauth2.Token, error) { return oauth.ParseToken([]byte(body), now) }

// with is a good response with one member more, which replaces its namesake.
func with(name, value string) string {
	members := map[string]json.RawMessage{"access_token": []byte(`"at"`), "token_type": []byte(`"Bearer"`)}
	members[name] = []byte(value)
	if value == "" {
		delete(members, name)
	}
	b, _ := json.Marshal(members)
	return string(b)
}

// TE-04: the access token will stand in a header.
func TestAccessToken(t *testing.T) {
	for _, c := range []struct {
		name, value string
		ok          bool
	}{
		{"all of RFC 6750", `"aZ09-._~+/=="`, true},
		{"others in use", `"EAAB|x:y,z!"`, true},
		{"64 KiB", quote(strings.Repeat("a", 64<<10)), true},
		{"missing", ``, false}, {"null", `null`, false}, {"empty", `""`, false}, {"number", `7`, false},
		{"object", `{"a":"canary"}`, false}, {"array", `["canary"]`, false}, {"true", `true`, false},
		{"1 MB", quote(strings.Repeat("a", 1<<20)), false},
		{"CR", `"canary\r"`, false}, {"LF", `"canary\nX-Evil: 1"`, false}, {"NUL", `"canary\u0000"`, false},
		{"space", `"canary canary"`, false}, {"DEL", `"canary\u007f"`, false}, {"not ASCII", `"canaryé"`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, err := parse(with("access_token", c.value))
			if c.ok {
				require.NoError(t, err)
				require.Equal(t, c.value, quote(token.AccessToken))
				return
			}
			require.ErrorIs(t, err, oauth.ErrResponse)
			requireClean(t, err)
			require.Nil(t, token)
		})
	}
}

// TE-05, TE-06: bearer, in any case, and nothing else; a token that is bound to a key is
// not taken for one that is not, nor the other way round.
func TestTokenType(t *testing.T) {
	for _, value := range []string{`"Bearer"`, `"bearer"`, `"BEARER"`, `"bEARER"`} {
		token, err := parse(with("token_type", value))
		require.NoError(t, err)
		require.Equal(t, "Bearer", token.TokenType)
	}
	for _, value := range []string{
		``, `null`, `""`, `"mac"`, `"N_A"`, `"DPoP"`, `"Bearer "`, `"Bearer\r\n"`, `7`, `["Bearer"]`, quote(strings.Repeat("x", 1e5)),
	} {
		token, err := parse(with("token_type", value))
		require.ErrorIs(t, err, oauth.ErrResponse, value)
		requireClean(t, err)
		require.Nil(t, token)
	}
}

// TE-07: expires_in in all its shapes.
func TestExpiresIn(t *testing.T) {
	const years = 10 * 365 * 24 * time.Hour
	for _, c := range []struct {
		value string
		want  time.Duration
	}{
		{`3600`, time.Hour}, {`"3600"`, time.Hour}, {`"0060"`, time.Minute}, {`3600.5`, time.Hour + time.Second/2}, {`3.6e3`, time.Hour},
		{`"3600.0"`, time.Hour}, {`1e-9`, time.Nanosecond},
		{`1e9`, years}, {`1e308`, years}, {`1e999`, years}, {`"1e999"`, years}, {`9223372036854775807`, years}, {`315360000`, years},
		{`315359999`, years - time.Second}, {`9223372036`, years}, {`9223372037`, years}, {`99999999999999999999999`, years},
		{`0`, 0}, {`-0`, 0}, {`0.0`, 0}, {`"0"`, 0}, {`-5`, 0}, {`"-5"`, 0}, {`-99999999999`, 0}, {`-1e308`, 0}, {`-1e999`, 0},
	} {
		t.Run(c.value, func(t *testing.T) {
			token, err := parse(with("expires_in", c.value))
			require.NoError(t, err)
			require.Equal(t, now.Add(c.want), token.Expiry)
			require.Equal(t, c.want > 10*time.Second, (&oauth2.Token{AccessToken: "a", Expiry: time.Now().Add(c.want)}).Valid())
		})
	}
	for _, unknown := range []string{``, `null`, `""`} {
		token, err := parse(with("expires_in", unknown))
		require.NoError(t, err)
		require.True(t, token.Expiry.IsZero())
	}
	for _, bad := range []string{
		`true`, `false`, `{}`, `[3600]`, `"soon"`, `"NaN"`, `"Inf"`, `"-inf"`, `"0x10"`, `"1_000"`, `" 3600"`, `"3600s"`, `"+-"`, `"e"`, `"3600\n"`, `"٣"`,
	} {
		token, err := parse(with("expires_in", bad))
		require.ErrorIs(t, err, oauth.ErrResponse, bad)
		require.Nil(t, token)
	}
}

// TE-07: what has expired is not what never expires, also for golang.org/x/oauth2.
func TestExpiredIsNotZero(t *testing.T) {
	token, err := oauth.ParseToken([]byte(with("expires_in", "0")), time.Now())
	require.NoError(t, err)
	require.False(t, token.Expiry.IsZero())
	require.False(t, token.Valid())
}

// TE-08: what was granted is recorded, in one shape; comparing it with what was asked is
// the caller's.
func TestScope(t *testing.T) {
	for _, c := range []struct {
		value string
		want  any
	}{
		{`"a b c"`, "a b c"}, {`"repo,gist"`, "repo,gist"}, {`""`, ""}, {``, nil}, {`null`, nil},
		{`["a","b"]`, "a b"}, {`[]`, ""},
	} {
		token, err := parse(with("scope", c.value))
		require.NoError(t, err, c.value)
		require.Equal(t, c.want, token.Extra("scope"), c.value)
	}
	for _, bad := range []string{`7`, `true`, `{"a":"b"}`, `["a",1]`, `[["a"]]`, `[null]`} {
		_, err := parse(with("scope", bad))
		require.ErrorIs(t, err, oauth.ErrResponse, bad)
	}
}

func TestIDTokenIsAString(t *testing.T) {
	token, err := parse(with("id_token", `"x.y.z"`))
	require.NoError(t, err)
	require.Equal(t, "x.y.z", token.Extra("id_token"))
	token, err = parse(with("id_token", `null`))
	require.NoError(t, err)
	require.Nil(t, token.Extra("id_token"))
	for _, bad := range []string{`7`, `{}`, `["x.y.z"]`, `false`} {
		_, err = parse(with("id_token", bad))
		require.ErrorIs(t, err, oauth.ErrResponse, bad)
	}
}

// TE-09: names are exact, and a name that is there twice makes the response invalid.
func TestNames(t *testing.T) {
	for _, c := range []struct{ name, body string }{
		{"twice", `{"access_token":"at","token_type":"Bearer","access_token":"canary"}`},
		{"twice, once escaped", `{"access_token":"at","token_type":"Bearer","access\u005ftoken":"canary"}`},
		{"twice, within", `{"access_token":"at","token_type":"Bearer","x":{"a":1,"a":2}}`},
		{"another case only", `{"Access_Token":"at","token_type":"Bearer"}`},
		{"another case of the type", `{"access_token":"at","Token_Type":"Bearer"}`},
		{"not UTF-8", "{\"access_token\":\"at\",\"token_type\":\"Bearer\",\"x\":\"\xff\"}"},
		{"a name not UTF-8", "{\"access_token\":\"at\",\"token_type\":\"Bearer\",\"\xff\":1}"},
		{"lone surrogate", `{"access_token":"at","token_type":"Bearer","x":"\ud800"}`},
		{"no colon", `{"access_token" "at"}`},
		{"broken array", `{"x":[1,}`},
		{"no key", `{1:2}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, err := parse(c.body)
			require.ErrorIs(t, err, oauth.ErrResponse)
			requireClean(t, err)
			require.Nil(t, token)
		})
	}
	token, err := parse(`{"Access_Token":"other","access_token":"at","TOKEN_TYPE":"mac","token_type":"Bearer","Error":"x","Expires_In":1}`)
	require.NoError(t, err)
	require.Equal(t, "at", token.AccessToken)
	require.Equal(t, "other", token.Extra("Access_Token"), "another case is another member")
	require.True(t, token.Expiry.IsZero())
}

// TE-15: no refresh token is none, and what is not a string is no answer.
func TestRefreshToken(t *testing.T) {
	for _, none := range []string{``, `""`, `null`} {
		token, err := parse(with("refresh_token", none))
		require.NoError(t, err)
		require.Empty(t, token.RefreshToken)
	}
	token, err := parse(with("refresh_token", `"r t~"`))
	require.NoError(t, err)
	require.Equal(t, "r t~", token.RefreshToken)
	for _, bad := range []string{`7`, `false`, `{}`, `["canary"]`, `"canary\n"`, `"canaryé"`, quote(strings.Repeat("r", 64<<10+1))} {
		_, err := parse(with("refresh_token", bad))
		require.ErrorIs(t, err, oauth.ErrResponse)
		requireClean(t, err)
	}
}

func TestExtras(t *testing.T) {
	token, err := parse(with("authed_user", `{"id":9007199254740993,"ok":true,"list":["x",null,1.50],"none":{}}`))
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"id": json.Number("9007199254740993"), "ok": true, "list": []any{"x", nil, json.Number("1.50")}, "none": map[string]any{},
	}, token.Extra("authed_user"))
	for _, held := range []string{"access_token", "token_type", "expires_in", "refresh_token", "error"} {
		require.Nil(t, token.Extra(held))
	}
}

// An error that is null or empty is none: some providers always send the member.
func TestNoError(t *testing.T) {
	for _, value := range []string{`null`, `""`} {
		_, err := parse(with("error", value))
		require.NoError(t, err)
	}
}

// FuzzParseToken: an accepted access token can stand in a header, its type is known, its
// expiry is unknown or from now to ten years on, and a refused response shows nothing of
// itself but its error.
func FuzzParseToken(f *testing.F) {
	f.Add(typical)
	for _, seed := range []string{
		good, `{}`, `null`, `[]`, `{"error":"invalid_grant","error_description":"\n"}`,
		with("expires_in", `"3600"`), with("expires_in", `1e999`), with("expires_in", `-9223372036854775809`),
		with("scope", `["a","b"]`), with("refresh_token", `null`), with("x", `{"a":[1,{"b":null}]}`),
		`{"access_token":"a","access_token":"b"}`, "{\"access_token\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		token, err := oauth.ParseToken(body, now)
		if err != nil {
			require.Nil(t, token)
			require.Less(t, len(err.Error()), 2000)
			require.False(t, strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }), "%q", err)
			return
		}
		require.NotEmpty(t, token.AccessToken)
		for i := range len(token.AccessToken) {
			require.True(t, '!' <= token.AccessToken[i] && token.AccessToken[i] <= '~')
		}
		require.Equal(t, "Bearer", token.TokenType)
		if !token.Expiry.IsZero() {
			require.WithinRange(t, token.Expiry, now, now.AddDate(10, 0, 0))
		}
		for _, name := range []string{"scope", "id_token"} {
			if v := token.Extra(name); v != nil {
				require.IsType(t, "", v)
			}
		}
		require.Nil(t, token.Extra("error"))
		require.True(t, json.Valid(body), fmt.Sprintf("encoding/json refuses %q", body))
	})
}
