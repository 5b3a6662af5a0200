// Package sessionstore is the browser's session and, apart from it, who is signed
// in.
//
// The session is scs's: [NewManager] sets it up with safe cookies and a quick
// [Codec]. Who is signed in is a [Record] in a [Store], and the session holds no
// more of it than its id: scs writes a session back whole, so a request in flight
// can bring a destroyed one back, but not the record.
//
//	sessions := sessionstore.NewManager(nil) // *scs.SessionManager
//	auth, err := signon.New(signon.Config{
//		BaseURL:  "https://app.example.com",
//		Sessions: sessions,
//		Logins:   new(sessionstore.Memory),
//	})
//
// [Memory] is a [Store] for one process; package sessiongorm has one over a database, for
// many. For one of your own, package sessiontest checks its contract.
package sessionstore

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrNotFound: there is no such login, or it has ended or expired.
	ErrNotFound = errors.New("sessionstore: no such login")
	// ErrExists: a login of that ID exists.
	ErrExists = errors.New("sessionstore: the login exists")
	// ErrClaimed: somebody has claimed the key.
	ErrClaimed = errors.New("sessionstore: already claimed")
	// ErrUnfit: what is in a session cannot be stored, as it is too large or of a type
	// that nobody has registered. It is the application's mistake and no store's.
	ErrUnfit = errors.New("sessionstore: what is in the session cannot be stored")
)

// MaxSession is the most that one session may take in a store, in bytes: loud where an
// application would fill the store, and far above what a session is for.
const MaxSession = 1 << 20

// A Store keeps the logins of all users.
//
// Any number of goroutines, and of processes where they share it, call its methods
// at once. Each method is atomic. Called with a context that is done, it changes
// nothing and returns an error that wraps the context's; where the context ends
// meanwhile, it may do so whether or not it has done its work, but for EndLogins. Strings
// are compared byte by byte, and any UTF-8 without a NUL may come, as long as
// [MaxKeySize] and [MaxNameSize] allow. A time is an instant, to the millisecond at
// least, in whatever zone.
//
// The errors named here may come wrapped. Any other error means that the store
// could not tell, and nobody is signed in or out by it.
type Store interface {
	// CreateLogin stores a copy of rec. It returns [ErrExists] if a login of that ID
	// exists, and an error if [Record.Check] does.
	CreateLogin(ctx context.Context, rec *Record) error

	// Login returns the login of that id, or [ErrNotFound] if there is none, as with an
	// id that no record can have, or its ExpiresAt has come. The caller must not change
	// the record, and it does not change under the caller.
	Login(ctx context.Context, id string) (*Record, error)

	// TouchLogin sets LastSeen to at, unless it is later already, and changes nothing
	// else. Of a login that is not there it returns [ErrNotFound] and does not make
	// one: what has ended stays so.
	TouchLogin(ctx context.Context, id string, at time.Time) error

	// EndLogins removes the logins that by selects and returns those that it removed,
	// the newest first; none is not an error. Of several callers at once, one gets
	// each login: what it has removed it returns, though its context has ended
	// meanwhile. It returns an error if [Selector.Check] does. The caller must not
	// change the records.
	EndLogins(ctx context.Context, by Selector) ([]*Record, error)

	// Logins returns the logins that by selects, the newest by CreatedAt first; none
	// is not an error. It returns an error if [Selector.Check] does. The caller must
	// not change the records.
	Logins(ctx context.Context, by Selector) ([]*Record, error)

	// Claim takes key until the given time: of all callers one gets nil and the
	// others [ErrClaimed]. After that time, which may have passed already, the key is
	// free again. It returns an error if [CheckClaim] does.
	Claim(ctx context.Context, key string, until time.Time) error
}
