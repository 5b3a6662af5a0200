package tokenstore

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/oauth2"
)

// A text is a token in JSON, with what a store keeps beside its fields.
type text struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type,omitzero"`
	RefreshToken string `json:"refresh_token,omitzero"`
	Expiry       *int64 `json:"expiry,omitzero"` // in seconds since 1970; absent: it does not expire
	ExpiresIn    int64  `json:"expires_in,omitzero"`
	Scope        string `json:"scope,omitzero"`
	IDToken      string `json:"id_token,omitzero"`
	Version      int64  `json:"version,omitzero"`
	Until        *int64 `json:"until,omitzero"`
}

// Marshal returns a token as JSON, with its [Extra], for a store that keeps each token
// as one text: encoding/json would lose what RequireScopes and a refresh need. Its
// expiry is kept to the second. A nil token, one without an access token and one that is
// no UTF-8 are errors.
//
// It is not sealed: that is done, by signon.Config.Keys, to the token before it comes
// here.
func Marshal(token *oauth2.Token) ([]byte, error) {
	if token == nil || token.AccessToken == "" {
		return nil, errNoToken
	}
	extra := ExtraOf(token)
	b, err := json.Marshal(text{
		AccessToken: token.AccessToken, TokenType: token.TokenType, RefreshToken: token.RefreshToken,
		Expiry: seconds(token.Expiry), ExpiresIn: token.ExpiresIn,
		Scope: extra.Scope, IDToken: extra.IDToken, Version: extra.Version, Until: seconds(extra.Until),
	})
	if err != nil {
		return nil, fmt.Errorf("tokenstore: a token that is no UTF-8 cannot be marshaled") // err quotes it
	}
	return b, nil
}

// Unmarshal returns the token that [Marshal] made text of.
func Unmarshal(b []byte) (*oauth2.Token, error) {
	var t text
	if err := json.Unmarshal(b, &t, json.RejectUnknownMembers(true)); err != nil || t.AccessToken == "" {
		return nil, fmt.Errorf("tokenstore: %d bytes are not what Marshal made of a token", len(b)) // err may quote it
	}
	token := &oauth2.Token{
		AccessToken: t.AccessToken, TokenType: t.TokenType, RefreshToken: t.RefreshToken,
		Expiry: instant(t.Expiry), ExpiresIn: t.ExpiresIn,
	}
	return Extra{Scope: t.Scope, IDToken: t.IDToken, Version: t.Version, Until: instant(t.Until)}.Put(token), nil
}

func seconds(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	return new(t.Unix())
}

func instant(seconds *int64) time.Time {
	if seconds == nil {
		return time.Time{}
	}
	return time.Unix(*seconds, 0).UTC()
}
