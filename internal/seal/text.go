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
	return r.AppendOpenString(nil, sealed, aad)
}

// AppendOpenString is [Ring.OpenString] that appends the plaintext to dst and returns
// the extended slice. dst must not overlap aad.
func (r *Ring) AppendOpenString(dst []byte, sealed string, aad []byte) ([]byte, error) {
	// The decoder skips line ends, even where it is strict.
	if strings.IndexByte(sealed, '\n') >= 0 || strings.IndexByte(sealed, '\r') >= 0 {
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
	return r.Open(dst, b[n:], aad)
}

// KeyOf tells what [Ring.SealString] sealed a text with: the index of the key in the
// ring and its id. The index is -1 for a key that the ring does not hold, and the id
// then says which; it is "" if the text is no sealed text of this version at all. It
// looks at the beginning only, so that the text may still not open.
func (r *Ring) KeyOf(sealed string) (index int, id string) {
	const begin = 8 // characters that hold the header and one byte more
	if len(sealed) < encoding.EncodedLen(Overhead) {
		return -1, ""
	}
	var header [begin]byte
	n, err := encoding.Decode(header[:], []byte(sealed[:begin]))
	if err != nil || n <= headerSize || header[0] != version { // n is less where a line end was skipped
		return -1, ""
	}
	return r.keyOf(header[:headerSize])
}

// putBack drops a buffer that one large text has grown.
func putBack(buf *[]byte) {
	if cap(*buf) <= 64<<10 {
		scratch.Put(buf)
	}
}
