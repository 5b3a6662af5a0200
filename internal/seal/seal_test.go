package seal_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/seal"
)

var (
	keyA = []byte("0123456789abcdefghijklmnopqrstuv")
	keyB = []byte("vutsrqponmlkjihgfedcba9876543210")
	keyC = []byte("a third key, which is longer than it needs to be")
)

func ring(t testing.TB, purpose string, keys ...[]byte) *seal.Ring {
	t.Helper()
	r, err := seal.New(keys, purpose)
	require.NoError(t, err)
	return r
}

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		name    string
		keys    [][]byte
		purpose string
	}{
		{"no key", nil, "p"},
		{"empty key", [][]byte{{}}, "p"},
		{"31 bytes", [][]byte{keyA[:31]}, "p"},
		{"zeros", [][]byte{make([]byte, 32)}, "p"},
		{"one byte repeated", [][]byte{bytes.Repeat([]byte("x"), 64)}, "p"},
		{"second key short", [][]byte{keyA, keyB[:16]}, "p"},
		{"a key twice", [][]byte{keyA, keyB, bytes.Clone(keyA)}, "p"},
		{"no purpose", [][]byte{keyA}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := seal.New(tt.keys, tt.purpose)
			require.Error(t, err)
			require.Nil(t, r)
			for _, key := range tt.keys {
				require.False(t, len(key) > 0 && strings.Contains(err.Error(), string(key)), "the error shows a key")
			}
		})
	}
}

func TestSealOpen(t *testing.T) {
	r := ring(t, "p", keyA)
	for _, size := range []int{0, 1, 15, 16, 17, 400, 4096, 100_000} {
		plain := bytes.Repeat([]byte{'x'}, size)
		sealed := r.Seal([]byte("before"), plain, []byte("aad"))
		require.Equal(t, "before", string(sealed[:6]))
		require.Len(t, sealed[6:], size+seal.Overhead)

		got, err := r.Open([]byte("before"), sealed[6:], []byte("aad"))
		require.NoError(t, err)
		require.Equal(t, "before"+string(plain), string(got))

		got, err = r.OpenString(r.SealString(plain, []byte("aad")), []byte("aad"))
		require.NoError(t, err)
		require.Equal(t, string(plain), string(got))
		got, err = r.AppendOpenString([]byte("before"), r.SealString(plain, []byte("aad")), []byte("aad"))
		require.NoError(t, err)
		require.Equal(t, "before"+string(plain), string(got))
	}
}

// The format is on disk and in browsers: what one version sealed, the next opens.
func TestFormat(t *testing.T) {
	r := ring(t, "p", keyA)
	const sealed = "AUiHBX_IhkusSZcO7lUytowurERndTzP7Qvj8hPSIes6Wmbjit8"
	got, err := r.OpenString(sealed, []byte("aad"))
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))

	fresh := r.Seal(nil, []byte("hello"), []byte("aad"))
	require.Equal(t, byte(1), fresh[0], "version")
	require.Equal(t, fresh[:5], ring(t, "p", keyA).Seal(nil, nil, nil)[:5], "the id is the key's")
	require.NotEqual(t, fresh[:5], ring(t, "q", keyA).Seal(nil, nil, nil)[:5], "the id is the purpose's")
}

// SE-16
func TestOpenRefuses(t *testing.T) {
	r := ring(t, "login", keyA)
	aad := []byte("__Host-login-1")
	sealed := r.Seal(nil, []byte("hello"), aad)
	change := func(at int, to byte) []byte {
		b := bytes.Clone(sealed)
		b[at] = to
		return b
	}
	for _, tt := range []struct {
		name   string
		ring   *seal.Ring
		sealed []byte
		aad    string
	}{
		{"nothing", r, nil, string(aad)},
		{"header only", r, sealed[:5], string(aad)},
		{"tag of one byte", r, sealed[:len(sealed)-15], string(aad)},
		{"tag one byte short", r, sealed[:len(sealed)-1], string(aad)},
		{"no tag", r, sealed[:len(sealed)-16], string(aad)},
		{"longer", r, append(bytes.Clone(sealed), 0), string(aad)},
		{"newer version", r, change(0, 2), string(aad)},
		{"unknown key id", r, change(1, sealed[1]^1), string(aad)},
		{"another nonce", r, change(5, sealed[5]^1), string(aad)},
		{"changed text", r, change(17, sealed[17]^1), string(aad)},
		{"changed tag", r, change(len(sealed)-1, sealed[len(sealed)-1]^1), string(aad)},
		{"another cookie's name", r, sealed, "__Host-login-2"},
		{"no aad", r, sealed, ""},
		{"another purpose", ring(t, "token", keyA), sealed, string(aad)},
		{"another key", ring(t, "login", keyB), sealed, string(aad)}, // SE-07
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.ring.Open(nil, tt.sealed, []byte(tt.aad))
			require.Equal(t, seal.ErrOpen, err, "one error for all")
			require.Nil(t, got)
		})
	}
}

func TestOpenStringRefuses(t *testing.T) {
	r := ring(t, "login", keyA)
	sealed := r.SealString([]byte("hell"), nil) // 37 bytes: two bits of the last character are unused
	last := sealed[len(sealed)-1]
	for _, tt := range []struct{ name, sealed string }{
		{"empty", ""},
		{"padding", sealed + "=="},
		{"line end inside", sealed[:8] + "\n" + sealed[8:]},
		{"line end behind", sealed + "\r\n"},
		{"space", " " + sealed},
		{"the other alphabet", "+/" + sealed[2:]},
		{"one character short", sealed[:len(sealed)-1]},
		{"another spelling", sealed[:len(sealed)-1] + string(last+1)},
		{"twice", sealed + sealed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := r.OpenString(tt.sealed, nil)
			require.Equal(t, seal.ErrOpen, err)
		})
	}
}

// SE-16: a nonce that comes twice would give the key away.
func TestNonces(t *testing.T) {
	r := ring(t, "p", keyA)
	seen := make(map[string]bool)
	for range 10_000 {
		nonce := string(r.Seal(nil, nil, nil)[5:17])
		require.False(t, seen[nonce])
		seen[nonce] = true
	}
}

// ST-04: a new key in front seals, the old one still opens until it is removed.
func TestRotation(t *testing.T) {
	before := ring(t, "p", keyA)
	during := ring(t, "p", keyB, keyA)
	after := ring(t, "p", keyC, keyB)

	old := before.SealString([]byte("old"), nil)
	got, err := during.OpenString(old, nil)
	require.NoError(t, err)
	require.Equal(t, "old", string(got))
	_, err = after.OpenString(old, nil)
	require.ErrorIs(t, err, seal.ErrOpen)

	fresh := during.SealString([]byte("new"), nil)
	_, err = before.OpenString(fresh, nil)
	require.ErrorIs(t, err, seal.ErrOpen)
	got, err = after.OpenString(fresh, nil)
	require.NoError(t, err)
	require.Equal(t, "new", string(got))
}

func TestRandom(t *testing.T) {
	a, err := seal.Random("p")
	require.NoError(t, err)
	b, err := seal.Random("p")
	require.NoError(t, err)
	_, err = b.OpenString(a.SealString([]byte("hello"), nil), nil)
	require.ErrorIs(t, err, seal.ErrOpen)
}

// LG-03
func TestRingDoesNotPrint(t *testing.T) {
	r := ring(t, "p", keyA)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		require.Equal(t, "[seal.Ring]", fmt.Sprintf(verb, r))
	}
}

func FuzzOpen(f *testing.F) {
	r := ring(f, "p", keyA, keyB)
	f.Add(r.SealString([]byte("seed"), []byte("aad")), []byte("seed"), []byte("aad"), uint(3), byte(1))
	f.Add("", []byte(""), []byte(""), uint(0), byte(128))
	f.Add("AQ", []byte("x"), []byte{}, uint(99), byte(255))
	f.Fuzz(func(t *testing.T, foreign string, plain, aad []byte, at uint, flip byte) {
		if got, err := r.OpenString(foreign, aad); err == nil {
			require.Equal(t, "seed", string(got), "opened what was never sealed")
		}
		sealed := r.Seal(nil, plain, aad)
		got, err := r.Open(nil, sealed, aad)
		require.NoError(t, err)
		require.True(t, bytes.Equal(plain, got))

		_, err = r.Open(nil, sealed, append(bytes.Clone(aad), 0))
		require.ErrorIs(t, err, seal.ErrOpen)
		if flip != 0 {
			sealed[at%uint(len(sealed))] ^= flip
			_, err = r.Open(nil, sealed, aad)
			require.ErrorIs(t, err, seal.ErrOpen)
		}
	})
}

func BenchmarkSealString(b *testing.B) {
	r := ring(b, "p", keyA)
	plain, aad := bytes.Repeat([]byte("x"), 400), []byte("__Host-login-0123456789")
	b.ReportAllocs()
	for b.Loop() {
		r.SealString(plain, aad)
	}
}

func BenchmarkOpenString(b *testing.B) {
	r := ring(b, "p", keyA, keyB)
	aad := []byte("__Host-login-0123456789")
	sealed := r.SealString(bytes.Repeat([]byte("x"), 400), aad)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.OpenString(sealed, aad); err != nil {
			b.Fatal(err)
		}
	}
}
