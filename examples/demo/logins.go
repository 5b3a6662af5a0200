package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/seed1a301047/signon"
)

// userID calls a user the same in every browser, so that their logins can be listed and
// ended together. An application with users of its own looks up, or makes, its user here.
func userID(_ context.Context, login *signon.Login) (owner string, err error) {
	sum := sha256.Sum256([]byte(login.Issuer + "\x00" + login.Subject))
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// ended is told of every login that has ended, by whatever cause. The token is the user's,
// and would live on for work in the background; the demo has none, so it goes with the last
// login of theirs.
func (a *app) ended(ctx context.Context, login *signon.Login, cause signon.LogoutCause) {
	a.logger.InfoContext(ctx, "a login has ended", "cause", cause, "browser", login.UserAgent)
	left, err := a.auth.Logins(ctx, login.Owner)
	if err != nil || len(left) > 0 || cause == signon.LoggedOutFrontChannel { // which anybody can show
		return
	}
	if err := a.client.Revoke(signon.WithOwner(ctx, login.Owner)); err != nil && !errors.Is(err, signon.ErrNoToken) {
		a.logger.WarnContext(ctx, "the token was not revoked", "error", err)
	}
}

// endLogin signs out one of the user's browsers, this one or another. The id comes from a
// form, so it is looked for among the logins of whoever asks.
func (a *app) endLogin(w http.ResponseWriter, r *http.Request) {
	login, _ := signon.LoginFrom(r.Context())
	mine, err := a.auth.Logins(r.Context(), login.Owner)
	if err != nil {
		a.client.Fail(w, r, err)
		return
	}
	next := "/me"
	for _, one := range mine {
		if one.ID != r.PostFormValue("id") {
			continue
		}
		// ErrNoLogin: it has ended by itself meanwhile.
		if err := a.auth.EndLogin(r.Context(), one.ID); err != nil && !errors.Is(err, signon.ErrNoLogin) {
			a.client.Fail(w, r, err)
			return
		}
		if one.Current {
			next = "/"
		}
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// endLogins signs the user out everywhere, here too.
func (a *app) endLogins(w http.ResponseWriter, r *http.Request) {
	login, _ := signon.LoginFrom(r.Context())
	if _, err := a.auth.EndLogins(r.Context(), login.Owner); err != nil {
		a.client.Fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
