package sessiongorm_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/sessionstore/sessiongorm"
)

// ST-11: as scs would have it.
func TestSessions(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store := open(t, db)
		requireSession := func(token string, want any) {
			t.Helper()
			b, found, err := store.Find(token)
			require.NoError(t, err)
			require.Equal(t, want != nil, found)
			if found {
				require.Equal(t, want, string(b))
			}
		}
		requireSession("none", nil)
		later := time.Now().Add(time.Hour)
		for _, data := range []string{"first", "second", "", "\x00\xff binary"} {
			require.NoError(t, store.Commit("token", []byte(data), later))
			requireSession("token", data)
		}
		require.NoError(t, store.Commit("nil", nil, later))
		requireSession("nil", "")
		for _, apart := range []string{"Token", "token ", " token", "", "\x00", "\xff", "token\x00"} { // any cookie may come
			requireSession(apart, nil)
			require.NoError(t, store.Commit(apart, []byte(apart), time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC)))
			requireSession(apart, apart)
		}
		require.NoError(t, store.Delete("token"))
		requireSession("token", nil)
		require.NoError(t, store.Delete("token"), "none to delete is no error")

		for _, past := range []time.Time{time.Now().Add(-time.Millisecond), time.Unix(1, 0), {}} {
			require.NoError(t, store.Commit("gone", []byte("data"), later))
			require.NoError(t, store.Commit("gone", []byte("data"), past))
			requireSession("gone", nil)
		}
		soon := time.Now().Add(30 * time.Millisecond)
		require.NoError(t, store.Commit("soon", []byte("data"), soon))
		<-time.After(time.Until(soon) + time.Millisecond)
		requireSession("soon", nil)
	})
}

func TestSessionSize(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store, later := open(t, db), time.Now().Add(time.Hour)
		big := make([]byte, sessionstore.MaxSession)
		require.NoError(t, store.Commit("token", big, later))
		b, found, err := store.Find("token")
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, big, b)
		require.ErrorIs(t, store.Commit("token", append(big, 0), later), sessionstore.ErrUnfit)
		_, found, err = store.Find("token")
		require.NoError(t, err)
		require.True(t, found, "what was there stays")
	})
}

// A shop is an application that keeps something in its session.
func shop(sessions *scs.SessionManager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/put", func(w http.ResponseWriter, r *http.Request) {
		sessions.Put(r.Context(), "cart", r.URL.Query().Get("item"))
	})
	mux.HandleFunc("/get", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, sessions.GetString(r.Context(), "cart"))
	})
	mux.HandleFunc("/renew", func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.RenewToken(r.Context()); err != nil {
			sessions.ErrorFunc(w, r, err)
		}
	})
	mux.HandleFunc("/destroy", func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.Destroy(r.Context()); err != nil {
			sessions.ErrorFunc(w, r, err)
		}
	})
	return sessions.LoadAndSave(mux)
}

type browser struct {
	t      *testing.T
	client *http.Client
	url    string
}

func newBrowser(t *testing.T, store *sessiongorm.Store) *browser {
	server := httptest.NewTLSServer(shop(sessionstore.NewManager(store)))
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client := server.Client()
	client.Jar = jar
	return &browser{t, client, server.URL}
}

func (b *browser) get(path string) (status int, body string) {
	b.t.Helper()
	r, err := b.client.Get(b.url + path)
	require.NoError(b.t, err)
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	require.NoError(b.t, err)
	return r.StatusCode, string(text)
}

func (b *browser) cookie() *http.Cookie {
	r, err := http.NewRequest("GET", b.url, nil)
	require.NoError(b.t, err)
	cookies := b.client.Jar.Cookies(r.URL)
	if len(cookies) == 0 {
		return nil
	}
	return cookies[0]
}

// sends replaces the browser's cookie by a former one.
func (b *browser) sends(ck *http.Cookie) {
	r, err := http.NewRequest("GET", b.url, nil)
	require.NoError(b.t, err)
	b.client.Jar.SetCookies(r.URL, []*http.Cookie{{Name: ck.Name, Value: ck.Value, Secure: true, Path: "/"}})
}

func TestSessionManager(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		b := newBrowser(t, open(t, db))
		requireCart := func(want string) {
			t.Helper()
			status, body := b.get("/get")
			require.Equal(t, 200, status)
			require.Equal(t, want, body)
		}
		requireCart("")
		require.Nil(t, b.cookie(), "nothing to keep, nothing kept")
		b.get("/put?item=%F0%9F%A6%8A+fox")
		requireCart("\U0001F98A fox")
		first := b.cookie()

		b.get("/renew")
		requireCart("\U0001F98A fox")
		second := b.cookie()
		require.NotEqual(t, first.Value, second.Value)
		b.sends(first)
		requireCart("") // SE-01, SE-02
		b.sends(second)
		requireCart("\U0001F98A fox")

		b.get("/destroy")
		require.Nil(t, b.cookie())
		b.sends(second)
		requireCart("")
	})
}

// SE-11: a store that is down is status 503, and signs nobody out.
func TestSessionManagerStoreDown(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		b := newBrowser(t, open(t, db))
		b.get("/put?item=fox")
		exec(t, db, "ALTER TABLE signon_sessions RENAME TO elsewhere")
		status, body := b.get("/get")
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.NotContains(t, body, "fox")
		require.NotNil(t, b.cookie())
		exec(t, db, "ALTER TABLE elsewhere RENAME TO signon_sessions")
		status, body = b.get("/get")
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "fox", body)
	})
}
