package signontest

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"maps"
	"strings"
)

// An Encryption is how something is encrypted to the client, as a compact JWE (RFC 7516).
type Encryption struct {
	// Alg is RSA-OAEP, RSA-OAEP-256, ECDH-ES, ECDH-ES+A128KW, ECDH-ES+A192KW or
	// ECDH-ES+A256KW. If empty, nothing is encrypted.
	Alg string

	// Enc is A128GCM, A192GCM, A256GCM, A128CBC-HS256, A192CBC-HS384 or A256CBC-HS512.
	// If empty, A128CBC-HS256, as OpenID Connect Registration section 2 has it.
	Enc string

	// Key is the client's public key, an [*rsa.PublicKey] or an [*ecdsa.PublicKey] as Alg
	// needs it, and KeyID its kid. If Key is nil, one that the provider makes, whose
	// private half [Provider.SignonProvider] hands out.
	Key   crypto.PublicKey
	KeyID string
}

// keySizes is how long the key of a content encryption is, in bytes.
var keySizes = map[string]int{
	"A128GCM": 16, "A192GCM": 24, "A256GCM": 32, "A128CBC-HS256": 32, "A192CBC-HS384": 48, "A256CBC-HS512": 64,
}

// wrapSizes is how long the key is that wraps the content's one; 0: it is that one.
var wrapSizes = map[string]int{"ECDH-ES": 0, "ECDH-ES+A128KW": 16, "ECDH-ES+A192KW": 24, "ECDH-ES+A256KW": 32}

// Encrypt encrypts a payload to the client's key for ID tokens, or where those are not
// encrypted to one of its own making by RSA-OAEP-256. The header has "alg", "enc" and
// "kid" and what is given, which wins; a nil value removes a member. What the header says
// changes nothing of what is done, so that a hostile one can be made.
func (p *Provider) Encrypt(header map[string]any, payload []byte) (string, error) {
	e := p.idTokenEncryption
	if e.Alg == "" {
		e = p.withOwnKey(Encryption{Alg: "RSA-OAEP-256"})
	}
	return e.encrypt(header, payload)
}

func (e Encryption) encrypt(with map[string]any, payload []byte) (string, error) {
	cek, wrapped, epk, err := e.contentKey()
	if err != nil {
		return "", fmt.Errorf("signontest: %w", err)
	}
	header := map[string]any{"alg": e.Alg, "enc": e.Enc}
	if e.KeyID != "" {
		header["kid"] = e.KeyID
	}
	if epk != nil {
		header["epk"] = epk
	}
	maps.Copy(header, with)
	maps.DeleteFunc(header, func(_ string, v any) bool { return v == nil })
	raw, err := json.Marshal(header)
	if err != nil {
		return "", fmt.Errorf("signontest: %w", err)
	}
	protected := b64(raw)
	iv := random(aes.BlockSize)
	if strings.HasSuffix(e.Enc, "GCM") {
		iv = random(12)
	}
	sealed, tag, err := e.seal(cek, iv, []byte(protected), payload)
	if err != nil {
		return "", fmt.Errorf("signontest: %w", err)
	}
	return protected + "." + b64(wrapped) + "." + b64(iv) + "." + b64(sealed) + "." + b64(tag), nil
}

// contentKey makes the key of the content and what tells it to the client, RFC 7518
// section 4.
func (e Encryption) contentKey() (cek, wrapped []byte, epk map[string]any, err error) {
	cek = random(keySizes[e.Enc])
	switch pub := e.Key.(type) {
	case *rsa.PublicKey:
		h := map[string]func() hash.Hash{"RSA-OAEP": sha1.New, "RSA-OAEP-256": sha256.New}[e.Alg]
		if h == nil {
			return nil, nil, nil, fmt.Errorf("%s is not for an RSA key", e.Alg)
		}
		wrapped, err = rsa.EncryptOAEP(h(), rand.Reader, pub, cek, nil)
		return cek, wrapped, nil, err
	case *ecdsa.PublicKey:
		ephemeral, err := ecdsa.GenerateKey(pub.Curve, rand.Reader)
		if err != nil {
			return nil, nil, nil, err
		}
		cek, wrapped, err = e.agree(ephemeral, pub, cek)
		return cek, wrapped, publicJWK(ephemeral.Public()), err
	}
	return nil, nil, nil, fmt.Errorf("a public key of %T", e.Key)
}

// agree is ECDH-ES, alone or with AES key wrap, RFC 7518 section 4.6.
func (e Encryption) agree(ephemeral *ecdsa.PrivateKey, pub *ecdsa.PublicKey, cek []byte) (content, wrapped []byte, err error) {
	size, known := wrapSizes[e.Alg]
	if !known {
		return nil, nil, fmt.Errorf("%s is not for an EC key", e.Alg)
	}
	mine, err1 := ephemeral.ECDH()
	theirs, err2 := pub.ECDH()
	if err1 != nil || err2 != nil {
		return nil, nil, fmt.Errorf("a curve that ECDH does not know")
	}
	z, err := mine.ECDH(theirs)
	if err != nil {
		return nil, nil, err
	}
	if size == 0 {
		return concatKDF(z, e.Enc, nil, nil, keySizes[e.Enc]), nil, nil
	}
	wrapped, err = wrapKey(concatKDF(z, e.Alg, nil, nil, size), cek)
	return cek, wrapped, err
}

// concatKDF is RFC 7518 section 4.6.2.
func concatKDF(z []byte, alg string, apu, apv []byte, size int) []byte {
	var info []byte
	for _, part := range [][]byte{[]byte(alg), apu, apv} {
		info = binary.BigEndian.AppendUint32(info, uint32(len(part)))
		info = append(info, part...)
	}
	info = binary.BigEndian.AppendUint32(info, uint32(size*8))
	var out []byte
	for round := uint32(1); len(out) < size; round++ {
		h := sha256.New()
		h.Write(binary.BigEndian.AppendUint32(nil, round))
		h.Write(z)
		h.Write(info)
		out = h.Sum(out)
	}
	return out[:size]
}

// wrapKey is RFC 3394 section 2.2.1.
func wrapKey(kek, key []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	n := len(key) / 8
	buf := make([]byte, 16)
	copy(buf, bytes.Repeat([]byte{0xa6}, 8))
	out := append(make([]byte, 8), key...)
	for t := range 6 * n {
		r := out[8*(t%n+1) : 8*(t%n+2)]
		copy(buf[8:], r)
		block.Encrypt(buf, buf)
		binary.BigEndian.PutUint64(buf, binary.BigEndian.Uint64(buf)^uint64(t+1))
		copy(r, buf[8:])
	}
	copy(out, buf[:8])
	return out, nil
}

// seal is the content encryption, RFC 7518 section 5.
func (e Encryption) seal(cek, iv, aad, payload []byte) (sealed, tag []byte, err error) {
	half := len(cek) / 2
	macs := map[string]crypto.Hash{"A128CBC-HS256": crypto.SHA256, "A192CBC-HS384": crypto.SHA384, "A256CBC-HS512": crypto.SHA512}
	mac, isCBC := macs[e.Enc]
	if isCBC {
		cek, tag = cek[half:], cek[:half]
	}
	block, err := aes.NewCipher(cek)
	if err != nil {
		return nil, nil, err
	}
	if !isCBC {
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			return nil, nil, err
		}
		both := gcm.Seal(nil, iv, payload, aad)
		cut := len(both) - gcm.Overhead()
		return both[:cut], both[cut:], nil
	}
	pad := block.BlockSize() - len(payload)%block.BlockSize()
	sealed = append(bytes.Clone(payload), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(sealed, sealed)
	m := hmac.New(mac.New, tag)
	for _, part := range [][]byte{aad, iv, sealed, binary.BigEndian.AppendUint64(nil, uint64(len(aad))*8)} {
		m.Write(part)
	}
	return sealed, m.Sum(nil)[:half], nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
