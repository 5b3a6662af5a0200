package signontest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// tokenFaults change a good token response.
var tokenFaults = []struct {
	fault Fault
	edit  Edit
}{
	{TokenErrorBoth, set("error", "invalid_grant")},
	{NoAccessToken, unset("access_token")},
	{EmptyAccessToken, set("access_token", "")},
	{AccessTokenNewline, set("access_token", "abc\r\nX-Injected: 1")},
	{AccessTokenNumber, set("access_token", 12345)},
	{NoTokenType, unset("token_type")},
	{UpperTokenType, set("token_type", "BEARER")},
	{MACTokenType, set("token_type", "mac")},
	{DPoPTokenType, set("token_type", "DPoP")},
	{NoExpiresIn, unset("expires_in")},
	{ExpiresInString, set("expires_in", "3600")},
	{ExpiresInFloat, set("expires_in", 3600.5)},
	{ExpiresInEmpty, set("expires_in", "")},
	{ExpiresInZero, set("expires_in", 0)},
	{ExpiresInNegative, set("expires_in", -99999999999)},
	{ExpiresInHuge, set("expires_in", json.RawMessage("1e308"))},
	{ExpiresInBool, set("expires_in", true)},
	{ExpiresInNull, set("expires_in", nil)},
	{NoRefreshToken, unset("refresh_token")},
	{EmptyRefreshToken, set("refresh_token", "")},
}

func set(name string, v any) Edit { return func(m map[string]any) { m[name] = v } }

func unset(name string) Edit { return func(m map[string]any) { delete(m, name) } }

// writeTokenFault answers with an error if one is armed.
func (p *Provider) writeTokenFault(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case p.fires(InvalidClient):
		(&tokenError{http.StatusUnauthorized, "invalid_client", "armed"}).write(w)
	case p.fires(InvalidGrant):
		invalidGrant("armed").write(w)
	case p.fires(EchoingError):
		invalidGrant(p.echo(r)).write(w)
	case p.fires(TokenErrorWith200):
		(&tokenError{http.StatusOK, "invalid_grant", "armed"}).write(w)
	case p.fires(TokenErrorForm200):
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded")
		_, _ = w.Write([]byte(url.Values{"error": {"bad_verification_code"}, "error_description": {"armed"}}.Encode()))
	default:
		return false
	}
	return true
}

// echo is what a careless provider says: all that it was told, and what a terminal
// or a log makes something else of.
func (p *Provider) echo(r *http.Request) string {
	var b strings.Builder
	b.WriteString("bad request of " + p.cfg.ClientID + ":" + p.cfg.ClientSecret)
	for name, v := range r.PostForm {
		b.WriteString(" " + name + "=" + strings.Join(v, ","))
	}
	b.WriteString("\n[ERROR] forged \x1b[31m<script>alert(1)</script>")
	return b.String()
}
