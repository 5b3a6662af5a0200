package seal_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/seal"
)

// ST-04
func TestKeyOf(t *testing.T) {
	two := ring(t, "p", keyB, keyA)
	ids := two.KeyIDs()
	require.Len(t, ids, 2)
	require.Equal(t, "4887057f", ids[1], "what the texts of TestFormat begin with")

	byA := ring(t, "p", keyA).SealString(nil, nil)
	byC := ring(t, "p", keyC).SealString([]byte("hello"), nil)
	for _, tt := range []struct {
		name, text string
		index      int
		id         string
	}{
		{"first key", two.SealString([]byte("hello"), nil), 0, ids[0]},
		{"second key, empty text", byA, 1, ids[1]},
		{"a key that is not there", byC, -1, ring(t, "p", keyC).KeyIDs()[0]},
		{"another purpose", ring(t, "q", keyA).SealString(nil, nil), -1, ring(t, "q", keyA).KeyIDs()[0]},
		{"empty", "", -1, ""},
		{"short", byA[:len(byA)-1], -1, ""},
		{"newer version", "Ag" + byA[2:], -1, ""},
		{"a plain token", "gho_16C7e42F292c6912E7710c838347Ae178B4a-and-more", -1, ""},
		{"not of the alphabet", "é" + byA, -1, ""},
		{"a line end inside", byA[:3] + "\n" + byA[3:], -1, ""},
		{"line ends only", strings.Repeat("\r\n", 40), -1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			index, id := two.KeyOf(tt.text)
			require.Equal(t, tt.index, index)
			require.Equal(t, tt.id, id)
		})
	}
}

// Two keys of one id: then nobody could say which of them a text still needs.
func TestNewRefusesEqualIDs(t *testing.T) {
	seen := map[string][]byte{}
	for i := range uint32(1 << 20) {
		key := binary.BigEndian.AppendUint32([]byte("a counter is no good key, but it will do"), i)
		id := ring(t, "p", key).KeyIDs()[0]
		if other, ok := seen[id]; ok {
			_, err := seal.New([][]byte{keyA, other, key}, "p")
			require.ErrorContains(t, err, "key 2: has by chance the id of key 1")
			return
		}
		seen[id] = key
	}
	t.Fatal("no two ids are equal")
}
