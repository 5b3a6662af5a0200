package sessionstore

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"time"
	"unsafe"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
)

// Lifetime is how long a session of [NewManager] lives, however much it is used.
const Lifetime = 8 * time.Hour

// NewManager returns a session manager whose sessions are in store. If store is
// nil, they are in this process, until it ends: at most 100,000 of at most 1 MiB,
// above which the one goes that was not used for longest. That store starts no
// goroutine.
//
// The cookie is __Host-session: Secure, HttpOnly, SameSite=Lax, for every path and
// this host only. A session lives for [Lifetime], and the store sees no more than a
// hash of its id. Values are written by a [Codec].
//
// IdleTimeout is zero, because scs would then write each session at each request:
// how long a login may be idle is kept in its record. When the store fails, the
// browser gets status 503.
//
// The caller may change the fields before first use. Without TLS in development,
// take "__Host-" off Cookie.Name and set Cookie.Secure to false.
func NewManager(store scs.Store) *scs.SessionManager {
	if store == nil {
		store = newBlobs(defaultMaxLogins)
	}
	m := bareManager()
	m.Store = store
	m.Codec = new(Codec)
	m.Lifetime = Lifetime
	m.HashTokenInStore = true
	m.ErrorFunc = sessionError
	m.Cookie = scs.SessionCookie{
		Name:     "__Host-session",
		Path:     "/",
		Secure:   true,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
		Persist:  true,
	}
	return m
}

// InMemory reports whether a session store ends with this process: the one of
// [NewManager] with nil, and scs's own.
func InMemory(store scs.Store) bool {
	switch store.(type) {
	case *blobs, *memstore.MemStore:
		return true
	}
	return false
}

// bareManager is scs.New without the memory store that it makes, whose goroutine
// cannot be stopped without a data race: that one would outlive every test, and
// hang those that run in a testing/synctest bubble. What scs.New sets besides is
// the key of the session in a context, which must be another for each manager.
func bareManager() *scs.SessionManager {
	m := new(scs.SessionManager)
	key := reflect.ValueOf(m).Elem().FieldByName("contextKey")
	if !key.IsValid() || key.Kind() != reflect.String {
		return scs.New() // another scs than we know
	}
	*(*string)(unsafe.Pointer(key.UnsafeAddr())) = "signon." + rand.Text()
	return m
}

// sessionError answers where a session could not be loaded or saved: a store that
// is down is not a user who is signed out.
func sessionError(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusServiceUnavailable
	if errors.Is(err, ErrUnfit) {
		status = http.StatusInternalServerError // the application's mistake
	}
	slog.ErrorContext(r.Context(), "session not loaded or saved", "error", err)
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, http.StatusText(status), status)
}
