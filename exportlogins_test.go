package signon

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/sessionstore"
)

// BrowserOf is the browser of a User-Agent header.
func BrowserOf(userAgent string) string { return browserOf(userAgent) }

// EndBy ends logins with any cause.
func EndBy(ctx context.Context, g *Registry, by sessionstore.Selector, cause LogoutCause) error {
	_, err := g.end(ctx, by, cause)
	return err
}

// SealLogin makes a record of a test's own making one that the registry has written.
func SealLogin(g *Registry, rec *sessionstore.Record) {
	rec.IDToken, rec.UserInfo = g.seal(nil, "id_token", rec), g.seal(nil, "profile", rec)
}

// RevokeLater revokes a token in the background.
func RevokeLater(ctx context.Context, c *Client, token *oauth2.Token) { c.revokeLater(ctx, token) }
