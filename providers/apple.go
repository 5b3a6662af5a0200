package providers

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/internal/jose"
)

const (
	apple = "https://appleid.apple.com"

	// appleSecretLife may be six months; this one is made for one request.
	appleSecretLife = 5 * time.Minute
)

// An AppleKey is a key for "Sign in with Apple" of a developer account. It does not print:
// fmt, JSON and log/slog see TeamID and ID.
type AppleKey struct {
	TeamID string // the ten characters of the team, from "Membership details"
	ID     string // the ten characters of the key, also in the name of its file, AuthKey_{ID}.p8

	// PEM is the content of that file. Where the key is kept elsewhere, such as by a key
	// management service, leave it nil and give Signer: an ECDSA key on P-256.
	PEM    []byte
	Signer crypto.Signer
}

// String returns the team and the ID.
func (k AppleKey) String() string {
	return fmt.Sprintf("providers.AppleKey{TeamID: %q, ID: %q}", k.TeamID, k.ID)
}

// Format writes what [AppleKey.String] returns, whatever the verb.
func (k AppleKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue returns what [AppleKey.String] returns.
func (k AppleKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText returns what [AppleKey.String] returns.
func (k AppleKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Apple returns the settings for Sign in with Apple, by OpenID Connect ("Sign in with Apple
// REST API", "Creating a client secret" and "Authenticating users with Sign in with Apple"
// in Apple's documentation). Leave ClientSecret empty.
//
// Register: at developer.apple.com, "Identifiers", a Services ID, which is the ClientID,
// with "Sign In with Apple", the domain and the redirect URL, which must be https on a
// domain name, not localhost; and under "Keys" a key for it.
//
// Scopes: openid for the subject, email for the address, name for the name. With email or
// name Apple answers by form_post only, which the preset asks for: see
// Provider.ResponseMode on CORS checks.
//
// Bent: the client secret is a token signed by the key, which the preset makes for each
// request, with five minutes to live. The name comes at the first login only, by the
// browser; keep it then. Users who cancel come back with the error
// "user_cancelled_authorize", which becomes "access_denied".
//
// Subject: sub, which is another one for each team. E-mail: it may be a relay address at
// privaterelay.appleid.com. email_verified is a boolean or the string "true", which counts
// as well. Picture: none.
//
// Refresh: a refresh token comes with each login, and a refresh keeps it. Apple wants it
// asked at most once a day, and its access token opens no API: there is no APIBaseURL and
// no userinfo. [signon.Client.Revoke] revokes, as Apple demands of an application that
// deletes an account.
func Apple(key AppleKey) signon.Provider {
	return signon.Provider{
		Name:         "apple",
		Issuer:       apple,
		ClientAuth:   newAppleSecret(key),
		Scopes:       []string{"openid", "name", "email"},
		ResponseMode: "form_post",
		Hooks: hooks.Join(
			hooks.Hooks{AuthorizeResponse: appleCancelled, Profile: appleProfile},
			hooks.FirstFormPostUser(),
		),
	}
}

func appleCancelled(_ context.Context, r *hooks.AuthorizeResponse) error {
	if r.Params.Get("error") == "user_cancelled_authorize" {
		r.Params.Set("error", "access_denied")
	}
	return nil
}

func appleProfile(_ context.Context, p *hooks.Profile) error {
	var claims struct {
		EmailVerified any `json:"email_verified"`
	}
	if err := p.DecodeClaims(&claims); err != nil {
		return err
	}
	p.EmailVerified = claims.EmailVerified == true || claims.EmailVerified == "true"
	return nil
}

// appleSecret is a [clientauth.Method]: client_secret_post with a secret that is signed.
type appleSecret struct {
	teamID, keyID string
	signer        crypto.Signer
	unfit         error // why there is no signer
}

func newAppleSecret(key AppleKey) appleSecret {
	s := appleSecret{teamID: key.TeamID, keyID: key.ID, signer: key.Signer}
	switch {
	case !isWord(key.TeamID, "") || !isWord(key.ID, ""):
		s.unfit = argumentError{errors.New("providers: Apple: AppleKey lacks TeamID or ID; expected ten letters and digits in each")}
	case (key.PEM == nil) == (key.Signer == nil):
		s.unfit = argumentError{errors.New("providers: Apple: AppleKey has both PEM and Signer, or neither; give the content of the key's .p8 file, or a signer")}
	case key.PEM != nil:
		signers, err := clientauth.ParseKeys(key.PEM)
		if err == nil && len(signers) != 1 {
			err = fmt.Errorf("%d keys, expected one", len(signers))
		}
		if err != nil {
			s.unfit = argumentError{fmt.Errorf("providers: Apple: AppleKey.PEM: %w", err)}
			return s
		}
		s.signer = signers[0]
	}
	return s
}

func (appleSecret) Name() string { return "client_secret_post" }

// Check implements [clientauth.Checker]: it signs once and verifies.
func (s appleSecret) Check(_ context.Context, r *clientauth.Request) error {
	if s.unfit != nil {
		return s.unfit
	}
	if r.Secret != "" {
		return errors.New("providers: Apple: ClientSecret is set, which the key takes the place of; leave it empty")
	}
	if err := jose.CheckSigner("ES256", s.signer.Public()); err != nil {
		return fmt.Errorf("providers: Apple: AppleKey: %w", err)
	}
	signed, err := s.sign(r.ClientID)
	if err != nil {
		return err
	}
	compact, err := jose.ParseCompact(signed)
	if err == nil {
		err = jose.Verify("ES256", s.signer.Public(), compact)
	}
	if err != nil {
		return fmt.Errorf("providers: Apple: what AppleKey signs does not verify: %w", err)
	}
	return nil
}

// Authenticate implements [clientauth.Method].
func (s appleSecret) Authenticate(_ context.Context, r *clientauth.Request) error {
	if s.unfit != nil {
		return s.unfit
	}
	signed, err := s.sign(r.ClientID)
	if err != nil {
		return err
	}
	r.Params.Set("client_id", r.ClientID)
	r.Params.Set("client_secret", signed)
	return nil
}

// sign makes the token of "Creating a client secret". Its audience is fixed: no metadata
// changes for whom it is.
func (s appleSecret) sign(clientID string) (string, error) {
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": s.teamID, "sub": clientID, "aud": apple,
		"iat": now.Unix(), "exp": now.Add(appleSecretLife).Unix(),
	})
	if err != nil {
		return "", errors.New("providers: Apple: the client secret's claims are not JSON")
	}
	signed, err := jose.Sign("ES256", s.signer, map[string]any{"kid": s.keyID}, claims)
	if err != nil {
		return "", fmt.Errorf("providers: Apple: %w", err)
	}
	return signed, nil
}

// String keeps the key out of what is printed.
func (s appleSecret) String() string { return "providers.Apple client secret" }

// Format writes what String returns, whatever the verb.
func (s appleSecret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue returns what String returns.
func (s appleSecret) LogValue() slog.Value { return slog.StringValue(s.String()) }
