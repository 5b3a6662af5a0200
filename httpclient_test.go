package signon_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
	"github.com/seed1a301047/signon/tokenstore"
)

const (
	apiURL   = "https://api.test/v1/"
	apiToken = "canary-access-token"
)

// An api is a Client whose API is a function, and what arrived there and elsewhere.
type api struct {
	client *signon.Client
	tokens tokenstore.Memory

	mu  sync.Mutex
	got []*http.Request
}

func newAPI(tb testing.TB, base string, answer roundTrip, change func(*signon.Provider)) *api {
	tb.Helper()
	a := &api{}
	record := roundTrip(func(r *http.Request) (*http.Response, error) {
		a.mu.Lock()
		a.got = append(a.got, r)
		a.mu.Unlock()
		if answer == nil {
			return answered(r, http.StatusOK, nil, "{}"), nil
		}
		return answer(r)
	})
	jar, err := cookiejar.New(nil)
	require.NoError(tb, err)
	auth, err := signon.New(signon.Config{
		BaseURL: appURL, Keys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")}, Tokens: &a.tokens,
		HTTPClient: &http.Client{Transport: record, Jar: jar}, Logger: (&logBuffer{}).logger(),
	})
	require.NoError(tb, err)
	p := signon.Provider{
		Name: "api", ClientID: "app", APIBaseURL: base,
		Endpoint: oauth2.Endpoint{AuthURL: "https://op.test/authorize", TokenURL: "https://op.test/token"},
	}
	if change != nil {
		change(&p)
	}
	a.client, err = auth.Register(p)
	require.NoError(tb, err)
	require.NoError(tb, a.tokens.SaveToken(context.Background(), tokenstore.Key{Provider: "api", Owner: "alice"}, &oauth2.Token{AccessToken: apiToken}))
	return a
}

func (a *api) http() *http.Client {
	return a.client.HTTPClient(signon.WithOwner(context.Background(), "alice"))
}

func (a *api) requests() []*http.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]*http.Request(nil), a.got...)
}

// carries reports whether the token is anywhere in a request.
func carries(r *http.Request) bool {
	var b bytes.Buffer
	b.WriteString(r.URL.String())
	_ = r.Header.Write(&b)
	return strings.Contains(b.String(), apiToken)
}

func TestHTTPClient(t *testing.T) {
	a := newAPI(t, apiURL, nil, nil)
	for _, tt := range []struct{ ref, want string }{
		{"user/repos", "https://api.test/v1/user/repos"},
		{"user/repos?page=2&q=a%20b", "https://api.test/v1/user/repos?page=2&q=a%20b"},
		{"", "https://api.test/v1/"},
		{"./user", "https://api.test/v1/user"},
		{"a/../b", "https://api.test/v1/b"},
		{"/v1/user", "https://api.test/v1/user"},
		{"https://api.test/v1/user", "https://api.test/v1/user"},
		{"https://API.test:443/v1/user", "https://API.test:443/v1/user"},
		{"//api.test/v1/user#frag", "https://api.test/v1/user"},
		{"@evil", "https://api.test/v1/@evil"},
		{"a%2Fb", "https://api.test/v1/a%2Fb"},
	} {
		resp, err := a.http().Get(tt.ref)
		require.NoError(t, err, tt.ref)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		got := a.requests()
		last := got[len(got)-1]
		require.Equal(t, tt.want, last.URL.String(), tt.ref)
		require.Equal(t, []string{"Bearer " + apiToken}, last.Header["Authorization"])
		require.Empty(t, resp.Request.Header.Get("Authorization"), "what the caller gets back has no token")
	}
}

// AP-02, AP-03: nothing is sent for a URL that leaves the API.
func TestAPIURLsRefused(t *testing.T) {
	a := newAPI(t, apiURL, nil, nil)
	for _, ref := range []string{
		"https://evil.test/", "https://evil.test/v1/user", "http://api.test/v1/user", "https://api.test:8443/v1/user",
		"//evil.test/v1/x", `\\evil.test/x`, `/\evil.test/x`, "https:evil.test", "https:/v1/x", "https://api.test@evil.test/v1/x",
		"https://user:pw@api.test/v1/x", "https://api.test.evil.test/v1/x", "https://evil.test#@api.test/v1/x", "https://api.test./v1/x",
		"..", "../v2/x", "/v2/x", "/", "/v1", "/v11/x", "..%2fv2/x", "..%2Fv2", "%2e%2e/v2/x", ".%2e/v2/x", "a/%2e%2e/%2e%2e/v2",
		"a%2f..%2f..%2fv2", `..%5cv2`, "..;/v2/x", "a/..;x/..;/..;/v2", "/x%2f..%2fv1/y", "/v1%2fx", "ftp://api.test/v1/x", "javascript:alert(1)",
		"file:///v1/x", "mailto:x@evil.test", "/%76%31/../../x",
	} {
		_, err := a.http().Get(ref)
		require.Error(t, err, ref)
		require.True(t, errors.Is(err, signon.ErrAPIURL), "%s: %v", ref, err)
		require.NotContains(t, err.Error(), apiToken)
	}
	_, err := a.http().Get("us\ter")
	require.Error(t, err)
	req, err := http.NewRequest(http.MethodGet, "user", nil)
	require.NoError(t, err)
	req.URL = &url.URL{Opaque: "//evil.test/v1/x"}
	_, err = a.http().Transport.RoundTrip(req)
	require.ErrorIs(t, err, signon.ErrAPIURL)
	require.Empty(t, a.requests())

	req, err = http.NewRequest(http.MethodGet, "user", nil)
	require.NoError(t, err)
	req.Host = "evil.test"
	_, err = a.http().Do(req)
	require.NoError(t, err)
	require.NotEqual(t, "evil.test", a.requests()[0].Host, "the caller's Host is not sent")
}

// AP-02: without an APIBaseURL there is nowhere the token may go.
func TestNoAPIBaseURL(t *testing.T) {
	a := newAPI(t, "", nil, nil)
	_, err := a.http().Get("https://api.test/v1/x")
	require.ErrorIs(t, err, signon.ErrAPIURL)
	require.Empty(t, a.requests())
}

// AP-02, AP-04: what an APIBaseURL cannot be.
func TestAPIBaseURLRefused(t *testing.T) {
	auth, err := signon.New(signon.Config{BaseURL: appURL, Keys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")}})
	require.NoError(t, err)
	for _, base := range []string{
		"http://api.test/", "ftp://api.test/", "https://u:p@api.test/", "https://api.test/?a=b", "https://api.test/#x", "//api.test/", "api.test",
		"https://api.test/a//b/", "https://api.test/a/../b/",
	} {
		_, err := auth.Register(signon.Provider{
			Name: "api", ClientID: "app", APIBaseURL: base,
			Endpoint: oauth2.Endpoint{AuthURL: "https://op.test/authorize", TokenURL: "https://op.test/token"},
		})
		require.Error(t, err, base)
	}
}

// AP-01: a redirect within the API is followed, with the token; one elsewhere is
// handed to the caller. On the first hop, the second and the third, and back.
func TestAPIRedirects(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, elsewhere := range []string{
			"https://evil.test/v1/x", "//evil.test/x", "http://api.test/v1/x", "https://api.test:8443/v1/x", "/v2/x", "../../x",
			`/\evil.test`, "https://api.test@evil.test/", "https://evil.test/back?to=https://api.test/v1/end", "..%2f..%2fv2",
		} {
			for hop := range 3 {
				t.Run(fmt.Sprint(status, elsewhere, hop), func(t *testing.T) {
					n := 0
					a := newAPI(t, apiURL, func(r *http.Request) (*http.Response, error) {
						n++
						to := elsewhere
						if n <= hop {
							to = fmt.Sprintf("hop%d", n)
						}
						return answered(r, status, http.Header{"Location": {to}}, "moved"), nil
					}, nil)
					resp, err := a.http().Get("a/start?q=1")
					require.NoError(t, err)
					require.Equal(t, status, resp.StatusCode)
					body, err := io.ReadAll(resp.Body)
					require.NoError(t, err)
					require.Equal(t, "moved", string(body))
					require.Len(t, a.requests(), hop+1)
					for i, r := range a.requests() {
						require.Equal(t, "api.test", r.URL.Host)
						require.NotContains(t, r.Header.Get("Referer"), apiToken)
						if i > 0 {
							require.Equal(t, fmt.Sprintf("/v1/a/hop%d", i), r.URL.Path)
						}
					}
				})
			}
		}
	}
}

// AP-01: redirects within the API end after ten.
func TestAPIRedirectLoop(t *testing.T) {
	a := newAPI(t, apiURL, func(r *http.Request) (*http.Response, error) {
		return answered(r, http.StatusFound, http.Header{"Location": {"again"}}, ""), nil
	}, nil)
	resp, err := a.http().Get("start")
	require.NoError(t, err)
	require.Equal(t, http.StatusFound, resp.StatusCode)
	require.Len(t, a.requests(), 10)
}

// AP-06: one credential, and it is the user's token.
func TestCallersAuthorizationIsReplaced(t *testing.T) {
	for _, placement := range []signon.TokenPlacement{signon.TokenInHeader, signon.TokenInBody, signon.TokenInQuery} {
		a := newAPI(t, apiURL, nil, func(p *signon.Provider) {
			p.TokenPlacement, p.InsecureTokenInQuery = placement, true
		})
		req, err := http.NewRequest(http.MethodPost, "x?access_token=mine&a=b", strings.NewReader("access_token=mine&c=d"))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Authorization", "Basic bWluZQ==")
		req.Header["authorization"] = []string{"Bearer mine"}
		_, err = a.http().Do(req)
		require.NoError(t, err)
		got := a.requests()[0]
		body, err := io.ReadAll(got.Body)
		require.NoError(t, err)
		form, err := url.ParseQuery(string(body))
		require.NoError(t, err)
		for name := range got.Header {
			require.True(t, name == "Authorization" || !strings.EqualFold(name, "Authorization"), name)
		}
		switch placement {
		case signon.TokenInHeader:
			require.Equal(t, []string{"Bearer " + apiToken}, got.Header["Authorization"])
		case signon.TokenInBody:
			require.Empty(t, got.Header["Authorization"])
			require.Equal(t, url.Values{"access_token": {apiToken}, "c": {"d"}}, form)
			require.EqualValues(t, len(body), got.ContentLength)
		case signon.TokenInQuery:
			require.Empty(t, got.Header["Authorization"])
			require.Equal(t, url.Values{"access_token": {apiToken}, "a": {"b"}}, got.URL.Query())
		}
		require.Equal(t, "Basic bWluZQ==", req.Header.Get("Authorization"), "the caller's request is not changed")
	}
}

// AP-05: a token in the query only by a switch that says what it is.
func TestTokenInQueryNeedsTheSwitch(t *testing.T) {
	auth, err := signon.New(signon.Config{BaseURL: appURL, Keys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")}})
	require.NoError(t, err)
	p := signon.Provider{
		Name: "api", ClientID: "app", TokenPlacement: signon.TokenInQuery,
		Endpoint: oauth2.Endpoint{AuthURL: "https://op.test/authorize", TokenURL: "https://op.test/token"},
	}
	_, err = auth.Register(p)
	require.Error(t, err)
	p.InsecureTokenInQuery = true
	_, err = auth.Register(p)
	require.NoError(t, err)
}

// RFC 6750 section 2.2: a token in the body needs a form, and a method that has one.
func TestTokenInBodyNeedsAForm(t *testing.T) {
	a := newAPI(t, apiURL, nil, func(p *signon.Provider) { p.TokenPlacement = signon.TokenInBody })
	_, err := a.http().Get("x")
	require.Error(t, err)
	_, err = a.http().Post("x", "application/json", strings.NewReader("{}"))
	require.Error(t, err)
	_, err = a.http().Post("x", "application/x-www-form-urlencoded", strings.NewReader("a=%zz"))
	require.ErrorIs(t, err, signon.ErrRequest)
	_, err = a.http().Post("x", "application/x-www-form-urlencoded", strings.NewReader(strings.Repeat("a", 2<<20)))
	require.ErrorIs(t, err, signon.ErrTooLarge)
	require.Empty(t, a.requests())
}

// AP-09, RF-19: no cookie of one call travels with another, and no token.
func TestAPIClientKeepsNothing(t *testing.T) {
	a := newAPI(t, apiURL, func(r *http.Request) (*http.Response, error) {
		return answered(r, http.StatusOK, http.Header{"Set-Cookie": {"user=alice; Path=/"}}, ""), nil
	}, nil)
	require.NoError(t, a.tokens.SaveToken(t.Context(), tokenstore.Key{Provider: "api", Owner: "bob"}, &oauth2.Token{AccessToken: "bobs"}))
	bob := a.client.HTTPClient(signon.WithOwner(t.Context(), "bob"))
	require.Nil(t, bob.Jar)
	for _, c := range []*http.Client{a.http(), bob, a.http(), bob} {
		_, err := c.Get("x")
		require.NoError(t, err)
	}
	for i, r := range a.requests() {
		require.Empty(t, r.Cookies())
		require.Equal(t, i%2 == 0, carries(r))
	}
}

// AP-11: no token in an error, wherever it was put.
func TestAPIErrorsHaveNoToken(t *testing.T) {
	for _, placement := range []signon.TokenPlacement{signon.TokenInHeader, signon.TokenInQuery} {
		a := newAPI(t, apiURL, func(*http.Request) (*http.Response, error) { return nil, errors.New("unreachable") }, func(p *signon.Provider) {
			p.TokenPlacement, p.InsecureTokenInQuery = placement, true
		})
		_, err := a.http().Get("x?a=b")
		require.Error(t, err)
		require.NotContains(t, fmt.Sprintf("%v %+v %q", err, err, err), apiToken)
	}
}

// AP-07, RF-14: a 401 leads to one refresh and one retry, with the whole body again.
func TestUnauthorizedIsRetriedOnce(t *testing.T) {
	a := newOwned(t, appOptions{})
	client := a.client.HTTPClient(a.as("alice"))
	a.op.Arm(signontest.API401Once)
	resp, err := client.Post("echo", "text/plain", strings.NewReader("the body"))
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Contains(t, string(body), `"body":"the body"`)
	require.Equal(t, 1, a.refreshes())
	require.Equal(t, 2, a.op.Count(signontest.API))
}

// RF-14: an API that refuses every token gets each request twice at most, and the
// provider one refresh in five seconds.
func TestUnauthorizedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		a.op.Arm(signontest.API401Always)
		client := a.client.HTTPClient(a.as("alice"))
		for range 10 {
			resp, err := client.Get("items")
			require.NoError(t, err)
			require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
		}
		require.Equal(t, 1, a.refreshes())
		require.Equal(t, 11, a.op.Count(signontest.API))
		time.Sleep(6 * time.Second)
		_, err := client.Get("items")
		require.NoError(t, err)
		require.Equal(t, 2, a.refreshes())
		require.Zero(t, a.op.Stats().RefreshReused)
	})
}

// RF-14: what cannot be sent again is not, and 403 and 5xx refresh nothing.
func TestNoRetry(t *testing.T) {
	a := newOwned(t, appOptions{})
	client := a.client.HTTPClient(a.as("alice"))
	a.op.Arm(signontest.API401Once)
	resp, err := client.Post("echo", "text/plain", io.MultiReader(strings.NewReader("once")))
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)

	resp, err = client.Get("admin")
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, resp.StatusCode)
	a.op.Arm(signontest.ServerError.At(signontest.API))
	resp, err = client.Get("items")
	require.NoError(t, err)
	require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	require.Zero(t, a.refreshes())
	require.Equal(t, 3, a.op.Count(signontest.API))
}

// AP-07, RF-14: a thousand calls whose token the API has revoked: one refresh, and
// every call succeeds; with callers among them who only want the token.
func TestUnauthorizedStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		a.op.ExpireAccessTokens()
		a.store("alice", func(t *oauth2.Token) { t.Expiry = time.Now().Add(30 * time.Second) }) // within the margin
		a.op.ArmN(signontest.DownToken, 1)
		_, err := a.client.Token(a.as("alice"))
		require.NoError(t, err, "it lives")
		time.Sleep(6 * time.Second)
		statuses := make(chan int)
		for i := range 1000 {
			go func() {
				time.Sleep(time.Duration(i) * 100 * time.Microsecond)
				resp, err := a.client.HTTPClient(a.as("alice")).Get("items")
				if err != nil {
					statuses <- 0
					return
				}
				statuses <- resp.StatusCode
			}()
		}
		for range 1000 {
			require.Equal(t, http.StatusOK, <-statuses)
		}
		require.Equal(t, 2, a.refreshes(), "the one that failed, and one")
	})
}

// A forced refresh that fails does not take the token from those to whom nobody has
// refused it.
func TestForcedRefreshFailsForItsOwnCallersOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		a.op.Handle("/token", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Second)
			w.WriteHeader(http.StatusServiceUnavailable)
		}))
		a.store("alice", func(t *oauth2.Token) { t.Expiry = time.Now().Add(30 * time.Second) })
		a.store("alice", func(t *oauth2.Token) { t.ExpiresIn = 40 }) // fresh for 20 seconds yet
		a.op.Arm(signontest.API401Always)
		forced := make(chan int)
		go func() {
			resp, _ := a.client.HTTPClient(a.as("alice")).Get("items")
			forced <- resp.StatusCode
		}()
		synctest.Wait() // its refresh is under way
		a.store("alice", func(t *oauth2.Token) { t.ExpiresIn = 0 })
		require.Len(t, a.ask(t.Context(), 10, 0).tokens, 1)
		require.Equal(t, http.StatusUnauthorized, <-forced)
		require.Equal(t, 1, a.refreshes())
	})
}
