package sessionstore_test

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/sessionstore"
)

// serve puts value into the session of the request with that cookie, or reads it
// where value is empty, and returns the answer.
func serve(m *scs.SessionManager, cookie, value string) *http.Response {
	r := httptest.NewRequest("GET", "https://app.example/", nil)
	if cookie != "" {
		r.AddCookie(&http.Cookie{Name: m.Cookie.Name, Value: cookie})
	}
	w := httptest.NewRecorder()
	m.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if value != "" {
			m.Put(r.Context(), "key", value)
		}
		_, _ = io.WriteString(w, m.GetString(r.Context(), "key"))
	})).ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(b)
}

// SE-15
func TestManagerCookie(t *testing.T) {
	m := sessionstore.NewManager(nil)
	resp := serve(m, "", "hello")
	require.Len(t, resp.Cookies(), 1)
	c := resp.Cookies()[0]
	require.Equal(t, "__Host-session", c.Name)
	require.Equal(t, "/", c.Path)
	require.Empty(t, c.Domain)
	require.True(t, c.Secure)
	require.True(t, c.HttpOnly)
	require.Equal(t, http.SameSiteLaxMode, c.SameSite)
	require.InDelta(t, 8*3600, c.MaxAge, 2)
	require.Less(t, len(c.Value), 64, "the session is not in the cookie: SE-08")
	require.Zero(t, m.IdleTimeout)

	resp = serve(m, c.Value, "")
	require.Equal(t, "hello", body(t, resp))
	require.Empty(t, resp.Cookies(), "a request that reads writes nothing")
}

// SE-04
func TestManagerAdoptsNoUnknownID(t *testing.T) {
	m := sessionstore.NewManager(nil)
	const planted = "an-id-that-the-attacker-chose-an-id-that-t"
	resp := serve(m, planted, "hello")
	require.NotEqual(t, planted, resp.Cookies()[0].Value)
	require.Empty(t, body(t, serve(m, planted, "")))
}

// A spy is a store that remembers the tokens that it saw.
type spy struct {
	data map[string][]byte
	err  error
}

func (s *spy) Delete(token string) error { delete(s.data, token); return s.err }
func (s *spy) Find(token string) ([]byte, bool, error) {
	b, ok := s.data[token]
	return b, ok, s.err
}
func (s *spy) Commit(token string, b []byte, _ time.Time) error {
	s.data[token] = b
	return s.err
}

// SE-14
func TestManagerHashes(t *testing.T) {
	store := &spy{data: make(map[string][]byte)}
	m := sessionstore.NewManager(store)
	cookie := serve(m, "", "hello").Cookies()[0].Value
	require.Equal(t, "hello", body(t, serve(m, cookie, "")))
	require.Len(t, store.data, 1)
	for token := range store.data {
		require.NotContains(t, token, cookie)
		require.Empty(t, body(t, serve(m, token, "")), "what the database holds is not a cookie")
	}
}

// SE-07: no session, no 500; the cookie goes when the session would be saved, and
// a login, which renews the id, works.
func TestManagerGarbage(t *testing.T) {
	for name, blob := range garbage(t) {
		t.Run(name, func(t *testing.T) {
			store := &spy{data: make(map[string][]byte)}
			m := sessionstore.NewManager(store)
			m.Codec = quiet()
			cookie := serve(m, "", "hello").Cookies()[0].Value
			for token := range store.data {
				store.data[token] = blob
			}
			resp := serve(m, cookie, "")
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Empty(t, body(t, resp))

			resp = serve(m, cookie, "next")
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Len(t, resp.Cookies(), 1)
			require.Negative(t, resp.Cookies()[0].MaxAge, "the cookie is deleted")

			ctx, err := m.Load(t.Context(), cookie)
			require.NoError(t, err)
			require.NoError(t, m.RenewToken(ctx))
			m.Put(ctx, "key", "signed in")
			renewed, expiry, err := m.Commit(ctx)
			require.NoError(t, err)
			require.WithinDuration(t, time.Now().Add(sessionstore.Lifetime), expiry, time.Minute)
			require.Equal(t, "signed in", body(t, serve(m, renewed, "")))
		})
	}
}

// SE-11
func TestManagerStoreDown(t *testing.T) {
	m := sessionstore.NewManager(&spy{err: errors.New("connection refused to db-1.internal")})
	resp := serve(m, "some-cookie", "")
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	require.Empty(t, resp.Cookies(), "down is not signed out")
	require.NotContains(t, body(t, resp), "db-1")
}

func TestManagerCannotEncode(t *testing.T) {
	m := sessionstore.NewManager(nil)
	w := httptest.NewRecorder()
	m.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		m.Put(r.Context(), "key", func() {})
	})).ServeHTTP(w, httptest.NewRequest("GET", "https://app.example/", nil))
	require.Equal(t, http.StatusInternalServerError, w.Code)
}

// Two managers must not take each other's sessions from a context.
func TestManagersApart(t *testing.T) {
	a, b := sessionstore.NewManager(nil), sessionstore.NewManager(nil)
	ctx, err := a.Load(t.Context(), "")
	require.NoError(t, err)
	a.Put(ctx, "key", "a's")
	both, err := b.Load(ctx, "")
	require.NoError(t, err)
	require.NotEqual(t, ctx, both)
	require.Empty(t, b.GetString(both, "key"))
	require.Equal(t, "a's", a.GetString(both, "key"))

	again, err := a.Load(both, "")
	require.NoError(t, err)
	require.Equal(t, both, again, "loaded twice is loaded once")
}

func TestManagerMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a goroutine left behind would hang this: ST-10
		m := sessionstore.NewManager(nil)
		cookie := serve(m, "", "hello").Cookies()[0].Value
		n := 0
		require.NoError(t, m.Iterate(t.Context(), func(context.Context) error { n++; return nil }))
		require.Equal(t, 1, n)

		time.Sleep(8*time.Hour - 1)
		require.Equal(t, "hello", body(t, serve(m, cookie, "")))
		time.Sleep(time.Nanosecond)
		require.Empty(t, body(t, serve(m, cookie, "")))
	})
}

func TestManagerMemoryDestroy(t *testing.T) {
	m := sessionstore.NewManager(nil)
	cookie := serve(m, "", "hello").Cookies()[0].Value
	ctx, err := m.Load(t.Context(), cookie)
	require.NoError(t, err)
	require.NoError(t, m.Destroy(ctx))
	require.Empty(t, body(t, serve(m, cookie, "")))
}

// SE-08
func TestManagerMemoryRefusesLoudly(t *testing.T) {
	m := sessionstore.NewManager(nil)
	large := strings.Repeat("token ", 1000)
	cookie := serve(m, "", large).Cookies()[0].Value
	require.Equal(t, large, body(t, serve(m, cookie, "")))

	resp := serve(m, cookie, strings.Repeat("x", 1<<20))
	require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	require.Equal(t, large, body(t, serve(m, cookie, "")), "what was there stays")
}

func TestManagerMemoryContextDone(t *testing.T) {
	m := sessionstore.NewManager(nil)
	cookie := serve(m, "", "hello").Cookies()[0].Value
	loaded, err := m.Load(t.Context(), cookie)
	require.NoError(t, err)
	m.Put(loaded, "key", "changed")

	done, cancel := context.WithCancel(loaded)
	cancel()
	_, _, err = m.Commit(done)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, m.Destroy(done), context.Canceled)
	require.ErrorIs(t, m.Iterate(done, func(context.Context) error { return nil }), context.Canceled)
	fresh, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = m.Load(fresh, cookie)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, "hello", body(t, serve(m, cookie, "")))
}

// The store works for code that knows scs.Store only.
func TestManagerMemoryAsStore(t *testing.T) {
	store := sessionstore.NewManager(nil).Store
	given := []byte("hello")
	require.NoError(t, store.Commit("token", given, time.Now().Add(time.Hour)))
	given[0] = 'j'
	b, found, err := store.Find("token")
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "hello", string(b))
	require.NoError(t, store.Delete("token"))
	_, found, err = store.Find("token")
	require.NoError(t, err)
	require.False(t, found)

	require.NoError(t, store.Commit("token", given, time.Now().Add(time.Hour)))
	require.NoError(t, store.Commit("token", given, time.Unix(1, 0)))
	_, found, _ = store.Find("token")
	require.False(t, found, "a session that has expired is deleted")
}

// The RequireToken path's part: a session of one value, beside what scs does by
// default with four.
func BenchmarkLoad(b *testing.B) {
	gob.Register(time.Time{})
	for _, bench := range []struct {
		name    string
		manager *scs.SessionManager
		values  map[string]any
	}{
		{"NewManager/one", sessionstore.NewManager(nil), small},
		{"NewManager/four", sessionstore.NewManager(nil), four},
		{"scs.New/four", scs.New(), four},
	} {
		b.Run(bench.name, func(b *testing.B) {
			m := bench.manager
			ctx, err := m.Load(b.Context(), "")
			require.NoError(b, err)
			for key, value := range bench.values {
				m.Put(ctx, key, value)
			}
			token, _, err := m.Commit(ctx)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Load(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func ExampleNewManager() {
	sessions := sessionstore.NewManager(nil) // in memory; or any store of scs
	app := sessions.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visits := sessions.GetInt(r.Context(), "visits") + 1
		sessions.Put(r.Context(), "visits", visits)
		_, _ = io.WriteString(w, strconv.Itoa(visits))
	}))

	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequest("GET", "https://app.example/", nil))
	c := w.Result().Cookies()[0]
	fmt.Println(w.Body, c.Name, c.Secure, c.HttpOnly)
	// Output:
	// 1 __Host-session true true
}

func ExampleCodec() {
	sessions := scs.New()
	sessions.Codec = new(sessionstore.Codec) // for a manager of your own

	b, err := sessions.Codec.Encode(time.Unix(1900000000, 0).UTC(), map[string]any{"user": "alice"})
	fmt.Println(len(b), err)
	_, values, err := sessions.Codec.Decode(b)
	fmt.Println(values["user"], err)
	// Output:
	// 30 <nil>
	// alice <nil>
}
