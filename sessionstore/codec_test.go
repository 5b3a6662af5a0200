package sessionstore_test

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/sessionstore"
)

type cart struct{ Items []string }

type explosive struct{ N int }

func (*explosive) GobDecode([]byte) error    { panic("boom") }
func (explosive) GobEncode() ([]byte, error) { return []byte{1}, nil }
func register(t testing.TB)                  { t.Helper(); gob.Register(cart{}); gob.Register(explosive{}) }
func quiet() *sessionstore.Codec             { return &sessionstore.Codec{Logger: slog.New(slog.DiscardHandler)} }
func logged(w *bytes.Buffer) *sessionstore.Codec {
	return &sessionstore.Codec{Logger: slog.New(slog.NewTextHandler(w, nil))}
}

var deadline = time.Date(2031, 2, 3, 4, 5, 6, 789, time.UTC)

func TestCodecRoundTrip(t *testing.T) {
	register(t)
	for _, tt := range []struct {
		name  string
		value any
	}{
		{"nil", nil},
		{"true", true},
		{"false", false},
		{"string", "login-4711"},
		{"empty string", ""},
		{"no UTF-8", "\xff\x00\xfe"},
		{"6 kB", strings.Repeat("token ", 1000)}, // SE-08
		{"1 MB", strings.Repeat("0123456789abcdef", 1<<16)},
		{"bytes", []byte{0, 1, 255}},
		{"no bytes", []byte{}},
		{"int", -42}, {"least int", math.MinInt}, {"greatest int", math.MaxInt},
		{"int8", int8(-128)}, {"int16", int16(-32768)}, {"int32", int32(math.MinInt32)}, {"int64", int64(math.MinInt64)},
		{"uint", uint(math.MaxUint)}, {"uint8", uint8(255)}, {"uint16", uint16(65535)},
		{"uint32", uint32(math.MaxUint32)}, {"uint64", uint64(math.MaxUint64)},
		{"float32", float32(math.SmallestNonzeroFloat32)}, {"float64", math.MaxFloat64}, {"infinity", math.Inf(-1)},
		{"time", deadline},
		{"time in a zone", time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", -9*3600))},
		{"zero time", time.Time{}},
		{"time after 2038", time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}, // ST-11
		{"registered struct", cart{Items: []string{"a", "b"}}},
		{"slice that gob knows", []string{"a", "b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			values := map[string]any{"key": tt.value, "": "empty key"}
			b, err := new(sessionstore.Codec).Encode(deadline, values)
			require.NoError(t, err)
			gotDeadline, got, err := new(sessionstore.Codec).Decode(b)
			require.NoError(t, err)
			require.Equal(t, deadline, gotDeadline)
			require.Equal(t, values, got)
		})
	}
}

func TestCodecEmptySession(t *testing.T) {
	b, err := new(sessionstore.Codec).Encode(deadline, nil)
	require.NoError(t, err)
	_, got, err := new(sessionstore.Codec).Decode(b)
	require.NoError(t, err)
	require.NotNil(t, got, "scs writes into it")
	require.Empty(t, got)
}

func TestCodecEncodeFails(t *testing.T) {
	type unknown struct{ A int }
	for name, value := range map[string]any{
		"not registered": unknown{1},
		"a function":     func() {},
		"a bad zone":     time.Date(2026, 1, 1, 0, 0, 0, 0, time.FixedZone("", math.MaxInt32)),
	} {
		_, err := new(sessionstore.Codec).Encode(deadline, map[string]any{"key": value})
		require.Error(t, err, name)
	}
	_, err := new(sessionstore.Codec).Encode(time.Date(2026, 1, 1, 0, 0, 0, 0, time.FixedZone("", math.MaxInt32)), nil)
	require.Error(t, err)
}

// What is read shares no memory with what was read from: a store may hand out its
// own bytes.
func TestCodecCopies(t *testing.T) {
	b, err := new(sessionstore.Codec).Encode(deadline, map[string]any{"b": []byte("bytes"), "s": "string"})
	require.NoError(t, err)
	_, got, err := new(sessionstore.Codec).Decode(b)
	require.NoError(t, err)
	clear(b)
	require.Equal(t, map[string]any{"b": []byte("bytes"), "s": "string"}, got)
}

// garbage is what a store may hold that is no session of ours. SE-07
func garbage(t testing.TB) map[string][]byte {
	register(t)
	good, err := new(sessionstore.Codec).Encode(deadline, map[string]any{"key": "value"})
	require.NoError(t, err)
	change := func(from, to string) []byte {
		require.Contains(t, string(good), from)
		return []byte(strings.Replace(string(good), from, to, 1))
	}
	old, err := scs.GobCodec{}.Encode(deadline, map[string]any{"key": "value"})
	require.NoError(t, err)
	withGob, err := new(sessionstore.Codec).Encode(deadline, map[string]any{"key": cart{Items: []string{"a"}}})
	require.NoError(t, err)
	require.Contains(t, string(withGob), "sessionstore_test.cart")
	panics, err := new(sessionstore.Codec).Encode(deadline, map[string]any{"key": explosive{1}})
	require.NoError(t, err)
	header := good[:len(good)-len("\x01\x03key\x03\x05value")]
	after := func(s string) []byte { return append(bytes.Clone(header), s...) }
	require.Equal(t, good, after("\x01\x03key\x03\x05value"))

	all := map[string][]byte{
		"nothing":               {},
		"noise":                 []byte("\x93\xf1 garbage \x00"),
		"newer version":         append([]byte{good[0] + 1}, good[1:]...),
		"scs's own codec":       old,
		"version only":          good[:1],
		"a time of no version":  append([]byte{good[0], 15, 99}, good[3:]...),
		"trailing byte":         append(bytes.Clone(good), 0),
		"unknown tag":           change("key\x03", "key\x7f"),
		"a key twice":           after("\x02\x01k\x00\x01k\x00"),
		"huge count":            after("\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
		"endless number":        after("\x01\x01k\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
		"huge length":           after("\x01\x01k\x03\xff\xff\xff\xff\x0f"),
		"int8 of 1000":          after("\x01\x01k\x08\xd0\x0f"),
		"int16 of a million":    after("\x01\x01k\x09\x80\x89\x7a"),
		"uint8 of 300":          after("\x01\x01k\x0d\xac\x02"),
		"float of 7 bytes":      after("\x01\x01k\x12\x00\x00\x00\x00\x00\x00\x00"),
		"float32 out of range":  after("\x01\x01k\x11\x7f\xef\xff\xff\xff\xff\xff\xff"),
		"int cut":               after("\x01\x01k\x07"),
		"time cut":              after("\x01\x01k\x05\x03\x01\x00\x00"),
		"no gob":                after("\x01\x01k\x06\x03\x01\x00\x00"),
		"gob and more":          nil,
		"unregistered gob type": []byte(strings.Replace(string(withGob), "sessionstore_test.cart", "sessionstore_test.bart", 1)),
		"gob that panics":       panics,
	}
	var g bytes.Buffer
	var value any = cart{}
	require.NoError(t, gob.NewEncoder(&g).Encode(&value))
	all["gob and more"] = append(after("\x01\x01k\x06"), append([]byte{byte(g.Len() + 1)}, append(g.Bytes(), 0)...)...)
	for i := range good {
		all[fmt.Sprint("cut after ", i)] = good[:i]
	}
	return all
}

func TestCodecGarbageIsNoSession(t *testing.T) {
	for name, b := range garbage(t) {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			got, values, err := logged(&log).Decode(b)
			require.NoError(t, err, "an error would be status 500 until the cookie expires")
			require.NotNil(t, values, "scs writes into it")
			require.Empty(t, values)
			require.True(t, got.Before(time.Now()), "and the cookie would stay: %v", got)
			require.False(t, got.IsZero())
			require.Equal(t, 1, strings.Count(log.String(), "\n"), "one record")
			require.NotContains(t, log.String(), "value")
		})
	}
}

func FuzzCodec(f *testing.F) {
	for _, b := range garbage(f) {
		f.Add(b)
	}
	many, err := new(sessionstore.Codec).Encode(deadline, map[string]any{
		"a": "s", "b": []byte("b"), "c": 1, "d": 1.5, "e": true, "f": deadline, "g": nil, "h": uint16(3), "i": float32(2),
	})
	require.NoError(f, err)
	f.Add(many)
	codec := quiet()
	f.Fuzz(func(t *testing.T, b []byte) {
		deadline, values, err := codec.Decode(b)
		require.NoError(t, err)
		again, err := codec.Encode(deadline, values)
		require.NoError(t, err, "what was read can be written")
		deadline2, values2, err := codec.Decode(again)
		require.NoError(t, err)
		require.True(t, deadline.Equal(deadline2))
		require.Len(t, values2, len(values))
		for key, value := range values {
			require.True(t, equal(value, values2[key]), "%q: %#v, %#v", key, value, values2[key])
		}
	})
}

// equal is reflect.DeepEqual, where NaN is NaN and a time an instant.
func equal(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && (a == b || a != a && b != b)
	case float32:
		b, ok := b.(float32)
		return ok && (a == b || a != a && b != b)
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.Equal(b)
	}
	return reflect.DeepEqual(a, b) || fmt.Sprintf("%#v", a) == fmt.Sprintf("%#v", b)
}

// What a session of Signon holds.
var small = map[string]any{"signon": strings.Repeat("x", 60)}

// The four values of the comparison.
var four = map[string]any{"user": "user-42", "name": "Alice", "visits": 17, "since": deadline}

func BenchmarkCodec(b *testing.B) {
	for _, codec := range []struct {
		name string
		scs.Codec
	}{{"Codec", new(sessionstore.Codec)}, {"GobCodec", scs.GobCodec{}}} {
		gob.Register(time.Time{})
		for _, session := range []struct {
			name   string
			values map[string]any
		}{{"one", small}, {"four", four}} {
			data, err := codec.Encode(deadline, session.values)
			require.NoError(b, err)
			b.Run(codec.name+"/decode/"+session.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, _, _ = codec.Decode(data)
				}
			})
			b.Run(codec.name+"/encode/"+session.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, _ = codec.Encode(deadline, session.values)
				}
			})
		}
	}
}
