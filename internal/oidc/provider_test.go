package oidc_test

import (
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/jose"
	"github.com/seed1a301047/signon/internal/oidc"
)

const (
	issuer   = "https://id.example.com"
	clientID = "rp"
	nonce    = "n-0S6_WzA2Mj"
	subject  = "248289761001"

	accessToken = "2YotnFZFEjr1zCsicMWpAA"
	code        = "SplxlOBeZQQYbYS6WxSbIA"
)

// provider signs tokens and is the source of the keys to check them with.
type provider struct {
	alg    string
	signer crypto.Signer
	set    *jose.Set

	fresh     *jose.Set // what Refresh brings; nil: the current set
	keysErr   error
	freshErr  error
	refreshes atomic.Int32
}

func newProvider(tb testing.TB, alg string) *provider {
	tb.Helper()
	p := &provider{alg: alg, signer: newSigner(tb, alg)}
	p.set = keySet(tb, publicJWK(tb, p.signer, "k1", alg))
	return p
}

func (p *provider) Keys(context.Context) (*jose.Set, error) { return p.set, p.keysErr }

func (p *provider) Refresh(context.Context) (*jose.Set, error) {
	p.refreshes.Add(1)
	if p.fresh != nil {
		p.set = p.fresh
	}
	return p.set, p.freshErr
}

// claims are those of a token that is right in every way.
func (p *provider) claims() claims {
	now := time.Now().Unix()
	return claims{
		"iss": issuer, "sub": subject, "aud": clientID, "nonce": nonce,
		"exp": now + 3600, "iat": now, "auth_time": now,
		"sid": "08a5019c-17e1-4977-8f42-65a12843ea02", "at_hash": halfHash(p.alg, accessToken),
		"name": "Jane Doe", "given_name": "Jane", "family_name": "Doe",
		"email": "janedoe@example.com", "email_verified": true,
		"picture": "https://example.com/janedoe/me.jpg",
	}
}

func (p *provider) expect() *oidc.Expect {
	return &oidc.Expect{
		Issuer: issuer, ClientID: clientID, Algs: []string{p.alg}, Nonce: nonce,
		AccessToken: accessToken, Code: code,
	}
}

func (p *provider) sign(tb testing.TB, c claims) string {
	tb.Helper()
	return p.signAs(tb, map[string]any{"kid": "k1", "typ": "JWT"}, c.json(tb))
}

func (p *provider) signAs(tb testing.TB, header map[string]any, payload string) string {
	tb.Helper()
	raw, err := jose.Sign(p.alg, p.signer, header, []byte(payload))
	require.NoError(tb, err)
	return raw
}

type claims map[string]any

// with returns the claims with some changed; one that is changed to nothing is left out.
func (c claims) with(name string, value any) claims {
	c = maps.Clone(c)
	c[name] = value
	if value == nothing {
		delete(c, name)
	}
	return c
}

// nothing is the value of a claim that is absent.
var nothing = new(struct{})

func (c claims) json(tb testing.TB) string {
	tb.Helper()
	data, err := json.Marshal(map[string]any(c))
	require.NoError(tb, err)
	return string(data)
}

func publicJWK(tb testing.TB, signer crypto.Signer, kid, alg string) string {
	tb.Helper()
	data, err := jose.PublicJWK(signer.Public(), kid, alg)
	require.NoError(tb, err)
	return string(data)
}

func keySet(tb testing.TB, keys ...string) *jose.Set {
	tb.Helper()
	set, err := jose.ParseSet(fmt.Appendf(nil, `{"keys":[%s]}`, strings.Join(keys, ",")))
	require.NoError(tb, err)
	require.Equal(tb, len(keys), set.Len())
	return set
}

func halfHash(alg, value string) string {
	hash, ok := jose.Hash(alg)
	if !ok {
		panic(alg)
	}
	h := hash.New()
	h.Write([]byte(value))
	return b64(h.Sum(nil)[:hash.Size()/2])
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }
