package jose_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/jose"
)

func TestParseCompact(t *testing.T) {
	header := b64([]byte(`{"typ":"JWT","kid":"k\u0031","alg":"ES256","x5c":["AA"]}`))
	c, err := jose.ParseCompact(header + ".e30.AQID")
	require.NoError(t, err)
	require.Equal(t, jose.Header{Alg: "ES256", Kid: "k1", Typ: "JWT"}, c.Header)
	require.Equal(t, "{}", string(c.Payload))
	require.Equal(t, []byte{1, 2, 3}, c.Signature)
	require.Equal(t, header+".e30", string(c.SigningInput))

	// The parts share a buffer, and yet none can grow into another.
	_ = append(c.Payload, "xxxx"...)
	_ = append(c.SigningInput, "xxxx"...)
	require.Equal(t, []byte{1, 2, 3}, c.Signature)
	require.Equal(t, "{}", string(c.Payload))
}

// ID-18: three segments, and something in each of them.
func TestParseCompactSegments(t *testing.T) {
	header := b64([]byte(`{"alg":"ES256"}`))
	for _, token := range []string{
		"", ".", "..", "...", header, header + ".e30", header + ".e30.", header + "..AQ", ".e30.AQ",
		header + ".e30.AQ.", header + ".e30.AQ.AQ", header + ".AQ.AQ.AQ.AQ",
	} {
		_, err := jose.ParseCompact(token)
		require.Error(t, err, token)
	}
}

// ID-18: at the limit, and one byte beyond.
func TestParseCompactLimit(t *testing.T) {
	head := b64([]byte(`{"alg":"none"}`)) + "."
	room := jose.MaxCompact - len(head) - len(".AAAA")
	payload := strings.Repeat("AAAA", room/4)
	_, err := jose.ParseCompact(head + payload + ".AAAA")
	require.NoError(t, err)
	_, err = jose.ParseCompact(head + payload + "AAAAAAAA.AAAA")
	require.Error(t, err)

	huge := strings.Repeat("A", 10<<20)
	allocated := testing.AllocsPerRun(10, func() {
		_, _ = jose.ParseCompact(huge)
	})
	require.Less(t, allocated, 5.0)
}

// ID-19: each spelling of the same bytes but one is refused.
func TestParseCompactEncoding(t *testing.T) {
	header, payload := b64([]byte(`{"alg":"RS256"}`)), b64([]byte(`{"a":"??>>"}`))
	for name, token := range map[string]string{
		"padding":           header + "." + payload + ".AQ==",
		"stray bits":        header + "." + payload + ".AR",
		"one character":     header + "." + payload + ".A",
		"standard alphabet": header + "." + base64.RawStdEncoding.EncodeToString([]byte{0xfb, 0xff}) + ".AQ",
		"line feed":         header + "." + payload + ".A\nQ",
		"carriage return":   header + "." + payload + ".AQ\r",
		"line feed, header": header[:4] + "\n" + header[4:] + "." + payload + ".AQ",
		"space":             header + ". " + payload + ".AQ",
		"NUL":               header + "." + payload + ".AQ\x00",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := jose.ParseCompact(token)
			require.Error(t, err)
		})
	}
	_, err := jose.ParseCompact(header + "." + payload + ".AQ")
	require.NoError(t, err)
}

// FuzzParseCompact demands that a token which is accepted is the one and only
// spelling of its parts, and that its header reads alike for others.
func FuzzParseCompact(f *testing.F) {
	f.Add(b64([]byte(`{"alg":"ES256","kid":"a","typ":"JWT"}`)) + ".e30.AQID")
	f.Add(b64([]byte(`{"alg":"none"}`)) + ".e30.")
	f.Add(b64([]byte(`{"alg":"RS256","crit":["b64"],"b64":false}`)) + ".e30.AA")
	f.Add(b64([]byte(`{"alg":"RS256","\u0061lg":"none"}`)) + ".bnVsbA.AA")
	f.Add("a.b.c.d.e")
	f.Fuzz(func(t *testing.T, token string) {
		c, err := jose.ParseCompact(token)
		if err != nil {
			return
		}
		signed := string(c.SigningInput)
		require.Equal(t, token, signed+"."+b64(c.Signature))
		header, payload, ok := strings.Cut(signed, ".")
		require.True(t, ok)
		require.Equal(t, payload, b64(c.Payload))

		head, err := base64.RawURLEncoding.DecodeString(header)
		require.NoError(t, err)
		require.Equal(t, header, b64(head))
		var members map[string]json.RawMessage
		dec := json.NewDecoder(bytes.NewReader(head))
		require.NoError(t, dec.Decode(&members))
		require.NotContains(t, members, "crit")
		require.NotContains(t, members, "b64")
		for name, got := range map[string]string{"alg": c.Header.Alg, "kid": c.Header.Kid, "typ": c.Header.Typ} {
			var want string
			if member, ok := members[name]; ok {
				require.NoError(t, json.Unmarshal(member, &want))
			}
			require.Equal(t, want, got)
		}
	})
}
