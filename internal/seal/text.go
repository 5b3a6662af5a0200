package seal

import (
	"encoding/base64"
	"strings"
	"sync"
)

// encoding is strict, so that one sealed text has one spelling.
var encoding = base64.RawURLEncoding.Strict()

// scratch holds sealed texts and their encoding on the way, never a plaintext.
var scratch = sync.Pool{New: func() any { return new(make([]byte, 0, 2048)) }}

// SealString is [Ring.Seal] in base64url without padding: fit for a cookie or a
// URL. It allocates the result only.
func (r *Ring) SealString(plaintext, aad []byte) string {
	buf := scratch.Get().(*[]byte)
	defer putBack(buf)

	b := r.Seal((*buf)[:0], plaintext, aad)
	n := len(b)
	b = encoding.AppendEncode(b, b)
	*buf = b
	return string(b[n:])
}

// OpenString opens what [Ring.SealString] returned for the same aad, or returns
// [ErrOpen]. The plaintext is the caller's own.
func (r *Ring) OpenString(sealed string, aad []byte) ([]byte, error) {
	// The decoder skips line ends, even where it is strict.
	if strings.ContainsAny(sealed, "\r\n") {
		return nil, ErrOpen
	}
	buf := scratch.Get().(*[]byte)
	defer putBack(buf)

	b := append((*buf)[:0], sealed...)
	n := len(b)
	b, err := encoding.AppendDecode(b, b)
	*buf = b
	if err != nil {
		return nil, ErrOpen
	}
	return r.Open(nil, b[n:], aad)
}

// putBack drops a buffer that one large text has grown.
func putBack(buf *[]byte) {
	if cap(*buf) <= 64<<10 {
		scratch.Put(buf)
	}
}
