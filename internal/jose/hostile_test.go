package jose_test

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/jose"
)

// ID-40: no length of a segment panics, or says which step has failed. Cut bytes are
// those of a right token; added ones are zero.
func TestDecryptHostileSizes(t *testing.T) {
	rsaKey, ecKey := newRSA(t, 2048), newEC(t, elliptic.P256())
	for _, alg := range jose.EncryptionAlgs() {
		key := crypto.Signer(rsaKey)
		if strings.HasPrefix(alg, "ECDH") {
			key = ecKey
		}
		d := newDecrypter(t, alg, jose.DecryptionKey{Private: key})
		for _, enc := range contentAlgs {
			token, err := jose.Encrypt(alg, enc, key.Public(), nil, []byte("some text of more than one block"))
			require.NoError(t, err)
			for i, name := range []string{"key", "iv", "ciphertext", "tag"} {
				for _, size := range []int{0, 1, 7, 8, 9, 12, 15, 16, 17, 23, 24, 25, 31, 32, 33, 40, 41, 47, 48, 63, 64, 72, 80, 255, 256, 257, 1001} {
					resized, same := resize(t, token, i+1, size)
					if same {
						continue
					}
					plain, _, err := d.Decrypt(resized)
					require.Error(t, err, "%s %s %s %d", alg, enc, name, size)
					require.Nil(t, plain)
					touched := size > 0 && (name == "ciphertext" || name == "key" && alg != "ECDH-ES")
					require.Equal(t, touched, err == jose.ErrDecrypt, "%s %s %s %d: %v", alg, enc, name, size, err)
				}
			}
		}
	}
}

// resize gives a segment of the token size bytes, and reports whether it has them already.
func resize(tb testing.TB, token string, segment, size int) (resized string, same bool) {
	tb.Helper()
	parts := strings.Split(token, ".")
	old, err := base64.RawURLEncoding.DecodeString(parts[segment])
	require.NoError(tb, err)
	data := make([]byte, size)
	copy(data, old)
	parts[segment] = b64(data)
	return strings.Join(parts, "."), len(old) == size
}

// ID-40: a wrapped key as long as a token may be is not unwrapped.
func TestDecryptHugeWrappedKey(t *testing.T) {
	key := newEC(t, elliptic.P256())
	d := newDecrypter(t, "ECDH-ES+A256KW", jose.DecryptionKey{Private: key})
	token, _ := resize(t, encryptTo(t, key, nil), 1, 40_000)
	var err error
	allocated := testing.AllocsPerRun(5, func() { _, _, err = d.Decrypt(token) })
	require.Equal(t, jose.ErrDecrypt, err)
	require.Less(t, allocated, 500.0)
}

// ID-40: whoever encrypts can have a right tag around what is not right inside.
func TestDecryptHostileCBC(t *testing.T) {
	key := newRSA(t, 2048)
	d := newDecrypter(t, "RSA-OAEP", jose.DecryptionKey{Private: key})
	const text = "15 bytes of it."
	for _, test := range []struct {
		name, padded string
		ok           bool
	}{
		{"one", text + "\x01", true},
		{"a whole block", text + "x" + strings.Repeat("\x10", 16), true},
		{"zero", text + "\x00", false},
		{"two blocks", text + "x" + strings.Repeat("\x20", 32), false},
		{"longer than a block", text + strings.Repeat("\x11", 17), false},
		{"longer than the content", text + "\x11", false},
		{"not alike", text + "\x03", false},
		{"nothing else", strings.Repeat("\x10", 16), false},
		{"no whole block", text, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			plain, _, err := d.Decrypt(sealCBC(t, &key.PublicKey, randomKey(), test.padded))
			if test.ok {
				require.NoError(t, err)
				require.Equal(t, text, string(plain[:len(text)]))
				return
			}
			require.Equal(t, jose.ErrDecrypt, err)
		})
	}
}

// ID-40: what was encrypted to nobody does not open, whatever its key may be guessed to be.
func TestDecryptWithoutAKey(t *testing.T) {
	key := newRSA(t, 2048)
	d := newDecrypter(t, "RSA-OAEP", jose.DecryptionKey{Private: key})
	for name, contentKey := range map[string][]byte{"zero": make([]byte, 32), "a short one": make([]byte, 16)} {
		parts := strings.Split(sealCBC(t, &key.PublicKey, contentKey, "a text\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a"), ".")
		if name == "zero" {
			parts[1] = b64(make([]byte, 256))
		}
		_, _, err := d.Decrypt(strings.Join(parts, "."))
		require.Equal(t, jose.ErrDecrypt, err, name)
	}
}

// ID-40: a key agreement with nobody.
func TestDecryptWithoutEphemeralKey(t *testing.T) {
	key := newEC(t, elliptic.P256())
	for _, alg := range []string{"ECDH-ES", "ECDH-ES+A128KW"} {
		wrapped := ""
		if alg != "ECDH-ES" {
			wrapped = b64(make([]byte, 24))
		}
		header := b64([]byte(`{"alg":"` + alg + `","enc":"A128GCM"}`))
		token := strings.Join([]string{header, wrapped, b64(make([]byte, 12)), "AAAA", b64(make([]byte, 16))}, ".")
		_, _, err := newDecrypter(t, alg, jose.DecryptionKey{Private: key}).Decrypt(token)
		require.Error(t, err)
		require.NotErrorIs(t, err, jose.ErrDecrypt)
	}
}

// The names of both sides go into the key: RFC 7518 appendix C, which ends with the key
// of the content, and leaves the content to the test.
func TestDecryptPartyInfo(t *testing.T) {
	bob := privateKey(t, `{"kty":"EC","crv":"P-256","x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",`+
		`"y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck","d":"VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw"}`)
	header := b64([]byte(`{"alg":"ECDH-ES","enc":"A128GCM","apu":"QWxpY2U","apv":"Qm9i","epk":{"kty":"EC","crv":"P-256",` +
		`"x":"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0","y":"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps"}}`))
	contentKey, err := base64.RawURLEncoding.DecodeString("VqqN6vgjbSBcIijNcacQGg")
	require.NoError(t, err)
	block, err := aes.NewCipher(contentKey)
	require.NoError(t, err)
	gcm, err := cipher.NewGCM(block)
	require.NoError(t, err)
	iv := make([]byte, gcm.NonceSize())
	sealed := gcm.Seal(nil, iv, []byte("to Bob"), []byte(header))
	token := strings.Join([]string{header, "", b64(iv), b64(sealed[:6]), b64(sealed[6:])}, ".")
	plain, _, err := newDecrypter(t, "ECDH-ES", jose.DecryptionKey{Private: bob}).Decrypt(token)
	require.NoError(t, err)
	require.Equal(t, "to Bob", string(plain))
}

func randomKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return key
}

// sealCBC encrypts by RSA-OAEP and A128CBC-HS256, and leaves the padding to the caller:
// no library makes a wrong one. What is no whole block is cut off behind its encryption,
// and zeros follow a short key.
func sealCBC(tb testing.TB, to *rsa.PublicKey, contentKey []byte, padded string) string {
	tb.Helper()
	iv := randomKey()[:aes.BlockSize]
	wrapped, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, to, contentKey, nil)
	require.NoError(tb, err)
	contentKey = append(contentKey, make([]byte, 32-len(contentKey))...)
	block, err := aes.NewCipher(contentKey[16:])
	require.NoError(tb, err)
	sealed := make([]byte, (len(padded)+15)/16*16)
	copy(sealed, padded)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(sealed, sealed)
	sealed = sealed[:len(padded)]

	header := b64([]byte(`{"alg":"RSA-OAEP","enc":"A128CBC-HS256"}`))
	mac := hmac.New(sha256.New, contentKey[:16])
	for _, part := range [][]byte{[]byte(header), iv, sealed, binary.BigEndian.AppendUint64(nil, uint64(len(header))*8)} {
		mac.Write(part)
	}
	return strings.Join([]string{header, b64(wrapped), b64(iv), b64(sealed), b64(mac.Sum(nil)[:16])}, ".")
}
