package sessionstore

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/alexedwards/scs/v2"
)

// A Codec writes and reads the values of a session for scs, compactly. Strings,
// []byte, bool, every size of int, uint and float, [time.Time] and nil are
// written by hand; each other value with encoding/gob, and its type must be
// registered with [gob.Register], as for scs's own codec. A nil []byte comes back
// empty, not nil.
//
// What cannot be decoded, because it is garbage, cut short, of a newer version, of
// another codec, or holds a type that is not registered any more, is no session:
// [Codec.Decode] returns no values and a deadline long past instead of an error,
// which scs would answer with status 500 until the cookie expires. The user is then
// signed out and may sign in again; scs deletes the cookie of such a session when
// it would save it.
//
// A Codec may be used by any number of goroutines at once.
type Codec struct {
	// Logger gets a warning for each session that cannot be decoded, without its
	// content. If nil, slog.Default().
	Logger *slog.Logger
}

var _ scs.Codec = (*Codec)(nil)

// The format:
//
//	version 1 | deadline | count | count * (key | tag | value)
//
// A key, a string, []byte, a time and a gob are length and bytes; lengths, counts
// and unsigned numbers are uvarints, signed ones varints, floats 8 bytes.
const codecVersion = 0xC1 // no gob of scs's codec begins so

// Written to stores: never give one another meaning.
const (
	tagNil = iota
	tagFalse
	tagTrue
	tagString
	tagBytes
	tagTime
	tagGob
	tagInt
	tagInt8
	tagInt16
	tagInt32
	tagInt64
	tagUint
	tagUint8
	tagUint16
	tagUint32
	tagUint64
	tagFloat32
	tagFloat64
)

var (
	errDecode  = errors.New("sessionstore: not a session")
	errVersion = errors.New("sessionstore: a session of another version or codec")
)

// Encode writes a session. It fails with [ErrUnfit] if gob cannot write one of the
// values.
func (*Codec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	b := make([]byte, 1, 128)
	b[0] = codecVersion
	b, err := appendTime(b, deadline)
	if err != nil {
		return nil, fmt.Errorf("%w: deadline: %w", ErrUnfit, err)
	}
	b = binary.AppendUvarint(b, uint64(len(values)))
	for key, value := range values {
		b = appendString(b, key)
		if b, err = appendValue(b, value); err != nil {
			return nil, fmt.Errorf("%w: value of %q: %w", ErrUnfit, key, err)
		}
	}
	return b, nil
}

// Decode reads what [Codec.Encode] wrote. It never returns an error: see [Codec].
func (c *Codec) Decode(b []byte) (time.Time, map[string]any, error) {
	deadline, values, err := decode(b)
	if err != nil {
		logger := c.Logger
		if logger == nil {
			logger = slog.Default()
		}
		logger.Warn("session dropped: it cannot be decoded", "error", err, "bytes", len(b))
		// Not the zero time, which not every database can store.
		return time.Unix(1, 0).UTC(), make(map[string]any), nil
	}
	return deadline, values, nil
}

func appendValue(b []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(b, tagNil), nil
	case bool:
		if v {
			return append(b, tagTrue), nil
		}
		return append(b, tagFalse), nil
	case string:
		return appendString(append(b, tagString), v), nil
	case []byte:
		return appendString(append(b, tagBytes), v), nil
	case time.Time:
		return appendTime(append(b, tagTime), v)
	}
	if b, ok := appendNumber(b, value); ok {
		return b, nil
	}
	var g bytes.Buffer
	if err := gob.NewEncoder(&g).Encode(&value); err != nil {
		return nil, err
	}
	return appendString(append(b, tagGob), g.Bytes()), nil
}

func appendNumber(b []byte, value any) ([]byte, bool) {
	switch v := value.(type) {
	case int:
		b = binary.AppendVarint(append(b, tagInt), int64(v))
	case int8:
		b = binary.AppendVarint(append(b, tagInt8), int64(v))
	case int16:
		b = binary.AppendVarint(append(b, tagInt16), int64(v))
	case int32:
		b = binary.AppendVarint(append(b, tagInt32), int64(v))
	case int64:
		b = binary.AppendVarint(append(b, tagInt64), v)
	case uint:
		b = binary.AppendUvarint(append(b, tagUint), uint64(v))
	case uint8:
		b = binary.AppendUvarint(append(b, tagUint8), uint64(v))
	case uint16:
		b = binary.AppendUvarint(append(b, tagUint16), uint64(v))
	case uint32:
		b = binary.AppendUvarint(append(b, tagUint32), uint64(v))
	case uint64:
		b = binary.AppendUvarint(append(b, tagUint64), v)
	case float32:
		b = binary.BigEndian.AppendUint64(append(b, tagFloat32), math.Float64bits(float64(v)))
	case float64:
		b = binary.BigEndian.AppendUint64(append(b, tagFloat64), math.Float64bits(v))
	default:
		return b, false
	}
	return b, true
}

func appendString[S string | []byte](b []byte, s S) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTime(b []byte, t time.Time) ([]byte, error) {
	at := len(b)
	b, err := t.AppendBinary(append(b, 0))
	if err != nil {
		return nil, err
	}
	b[at] = byte(len(b) - at - 1) // 15 or 16: its own uvarint
	return b, nil
}
