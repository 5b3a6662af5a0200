package oidc_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/oidc"
)

// FuzzVerifyIDToken signs any payload rightly. Whatever is accepted is judged
// again by the standard library, which folds case and takes the last of two:
// where it reads the same, no reader can be led astray.
func FuzzVerifyIDToken(f *testing.F) {
	op := newProvider(f, "EdDSA")
	right := op.claims().with("exp", int64(4e9)).with("iat", time.Now().Unix())
	f.Add(right.json(f))
	f.Add(right.with("aud", []string{clientID, "api"}).with("azp", clientID).json(f))
	f.Add(right.with("aud", []string{clientID, "other"}).json(f))
	f.Add(right.with("exp", raw("1e340")).with("nbf", raw("1.5")).json(f))
	f.Add(right.with("\u017fub", "x").json(f))
	f.Add(right.with("SUB", "x").json(f))
	f.Add(right.with("sub", "\ufffd").json(f))
	f.Add(right.with("nonce", nothing).json(f))
	f.Add(right.with("events", claims{}).json(f))
	f.Add(`{"iss":"https://id.example.com","iss":"https://id.example.com"}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, payload string) {
		e := op.expect()
		e.MaxIssuedAge = -1
		e.TrustedAudiences = []string{"api"}
		token, err := oidc.VerifyIDToken(t.Context(), op.signAs(t, map[string]any{"kid": "k1"}, payload), op, e)
		if err != nil {
			require.ErrorIs(t, err, oidc.ErrIDToken)
			require.Nil(t, token)
			return
		}
		require.True(t, utf8.ValidString(payload))
		var again struct {
			Iss, Sub, Nonce string
			Aud             any
			Azp             *string
			Exp, Iat, Nbf   json.Number
			Events          any
			AtHash          *string `json:"at_hash"`
		}
		require.NoError(t, json.Unmarshal([]byte(payload), &again))
		require.Equal(t, issuer, again.Iss)
		require.Equal(t, token.Subject, again.Sub)
		require.Regexp(t, `^[ -~]{1,255}$`, again.Sub)
		require.Equal(t, nonce, again.Nonce)
		require.Contains(t, token.Audience, clientID)
		require.Subset(t, []string{clientID, "api"}, token.Audience)
		if again.Azp != nil {
			require.Equal(t, clientID, *again.Azp)
		}
		if again.AtHash != nil {
			require.Equal(t, halfHash("EdDSA", accessToken), *again.AtHash)
		}
		require.Nil(t, again.Events)
		now := float64(time.Now().Unix())
		require.Greater(t, float(again.Exp), now-61)
		require.Less(t, float(again.Iat), now+62)
		require.Less(t, float(again.Nbf), now+62)
		require.InDelta(t, math.Min(float(again.Exp), 253402300799), float64(token.Expiry.Unix()), 1)

		var mine struct {
			Sub string `json:"sub"`
		}
		require.NoError(t, token.Claims(&mine))
		require.Equal(t, token.Subject, mine.Sub)
	})
}

// float returns what n is nearest to, which may be +Inf.
func float(n json.Number) float64 {
	f, _ := n.Float64()
	return f
}

// FuzzUserInfo demands that an accepted subject is the expected one, or that
// the standard library reads the same identity, digit by digit.
func FuzzUserInfo(f *testing.F) {
	f.Add(`{"sub":"248289761001","email":"jane@example.com","email_verified":true}`, true)
	f.Add(`{"sub":9007199254740993}`, false)
	f.Add(`{"sub":1e3,"SUB":"x"}`, false)
	f.Add(`{"sub":"248289761001","Sub":"x"}`, true)
	f.Add(`[{"sub":"x"}]`, false)
	f.Fuzz(func(t *testing.T, body string, oidcProvider bool) {
		var o oidc.UserInfoOptions
		if oidcProvider {
			o.Subject = subject
		}
		address, _ := oidc.VerifiedEmail([]byte(body))
		require.NotRegexp(t, `[^!-~]|@.*@|^@|@$`, address)

		info, err := oidc.ParseUserInfo([]byte(body), o)
		if err != nil {
			require.ErrorIs(t, err, oidc.ErrUserInfo)
			return
		}
		var all map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(body), &all))
		var text string
		if json.Unmarshal(all["sub"], &text) == nil {
			require.Equal(t, text, info.Subject)
		} else {
			require.Equal(t, string(all["sub"]), info.Subject)
			require.Regexp(t, `^[0-9]+$`, info.Subject)
		}
		if oidcProvider {
			require.Equal(t, subject, info.Subject)
		}
		require.NotEmpty(t, info.Subject)
	})
}

// FuzzVerifyLogoutToken signs any payload rightly. Whatever is accepted the standard
// library must read as a logout token for this client, and nothing else.
func FuzzVerifyLogoutToken(f *testing.F) {
	op := newProvider(f, "EdDSA")
	right := logoutClaims().with("exp", int64(4e9)).with("iat", time.Now().Unix())
	f.Add(right.json(f))
	f.Add(right.with("sub", nothing).json(f))
	f.Add(right.with("sid", nothing).with("aud", []string{clientID, "api"}).json(f))
	f.Add(right.with("nonce", nil).json(f))
	f.Add(right.with("events", claims{event: claims{"a": 1}, "b": 2}).json(f))
	f.Add(right.with("events", claims{event: nil}).json(f))
	f.Add(right.with("Events", claims{event: claims{}}).json(f))
	f.Add(right.with("iat", raw("17e8")).with("nbf", raw("1.5")).json(f))
	f.Add(op.claims().json(f))
	f.Add(`{"events":{},"events":{"` + event + `":{}}}`)
	f.Fuzz(func(t *testing.T, payload string) {
		e := op.expectLogout()
		e.TrustedAudiences = []string{"api"}
		signed := op.signAs(t, map[string]any{"kid": "k1"}, payload)
		token, err := oidc.VerifyLogoutToken(t.Context(), signed, op, e, oidc.ExpectLogout{})
		if err != nil {
			require.ErrorIs(t, err, oidc.ErrLogoutToken)
			require.Nil(t, token)
			return
		}
		require.True(t, utf8.ValidString(payload))
		var again struct {
			Iss, Jti      string
			Sub, Sid      *string
			Aud           any
			Exp, Iat, Nbf json.Number
			Nonce         json.RawMessage
			Events        map[string]any
		}
		require.NoError(t, json.Unmarshal([]byte(payload), &again))
		require.Equal(t, issuer, again.Iss)
		require.NotEmpty(t, again.Jti)
		require.Equal(t, again.Jti, token.ID)
		require.Nil(t, again.Nonce)
		require.IsType(t, map[string]any{}, again.Events[event])
		require.False(t, again.Sub == nil && again.Sid == nil)
		for claim, got := range map[*string]string{again.Sub: token.Subject, again.Sid: token.SID} {
			if claim == nil {
				require.True(t, token.Subject == "" || token.SID == "")
				continue
			}
			require.NotEmpty(t, got)
			require.Equal(t, *claim, got)
		}
		now := float64(time.Now().Unix())
		require.Greater(t, float(again.Exp), now-61)
		require.Less(t, float(again.Iat), now+62)
		require.Greater(t, float(again.Iat), now-362)
		require.Less(t, float(again.Nbf), now+62)
		require.False(t, token.Until.After(time.Now().Add(8*time.Minute)), "claimed for longer than it is taken")

		// No token is both.
		_, err = oidc.VerifyIDToken(t.Context(), signed, op, op.expect())
		require.ErrorIs(t, err, oidc.ErrIDToken)
	})
}
