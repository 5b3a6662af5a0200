package signon_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

func TestSignInCallAPISignOut(t *testing.T) {
	for _, mode := range []string{"", "form_post"} {
		t.Run("response_mode="+mode, func(t *testing.T) {
			op := signontest.New(t, signontest.Config{})
			mux := http.NewServeMux()
			app := httptest.NewServer(mux)
			t.Cleanup(app.Close)
			auth, err := signon.New(signon.Config{BaseURL: app.URL, Logger: quiet()})
			require.NoError(t, err)
			p := op.SignonProvider("op")
			p.ResponseMode = mode
			client, err := auth.Register(p)
			require.NoError(t, err)
			mux.Handle("/auth/", auth.Handler())
			mux.Handle("/items", client.RequireToken(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				resp, err := client.HTTPClient(r.Context()).Get("items")
				if err != nil {
					http.Error(w, err.Error(), http.StatusBadGateway)
					return
				}
				defer resp.Body.Close()
				w.WriteHeader(resp.StatusCode)
				io.Copy(w, resp.Body)
			})))
			b := signontest.NewBrowser(t)
			page := b.Get(app.URL + "/items?a=b").FollowAll(10)
			t.Log(page.Status, page.URL, string(page.Body))
			for page.Status == 200 && len(page.Forms()) > 0 {
				page = page.Submit("", nil).FollowAll(10)
				t.Log(page.Status, page.URL, string(page.Body))
			}
			require.Equal(t, http.StatusOK, page.Status)
			require.Equal(t, app.URL+"/items?a=b", page.URL.String())
			t.Log(b.Cookies(app.URL))
			page = page.Post("/auth/logout/op", nil)
			require.Equal(t, http.StatusSeeOther, page.Status)
			page = b.Get(app.URL + "/items")
			require.Equal(t, http.StatusSeeOther, page.Status)
			t.Log(b.Cookies(app.URL))
		})
	}
}
