package jose

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"slices"
)

// content is what RFC 7518 section 5 says about an enc: how many bytes the key, the
// initialization vector and the tag have.
type content struct {
	key, iv, tag int
	hash         func() hash.Hash // of the CBC ones; nil: GCM
}

func lookupContent(enc string) (content, bool) {
	switch enc {
	case "A128GCM":
		return content{key: 16, iv: 12, tag: 16}, true
	case "A192GCM":
		return content{key: 24, iv: 12, tag: 16}, true
	case "A256GCM":
		return content{key: 32, iv: 12, tag: 16}, true
	case "A128CBC-HS256":
		return content{key: 32, iv: 16, tag: 16, hash: sha256.New}, true
	case "A192CBC-HS384":
		return content{key: 48, iv: 16, tag: 24, hash: sha512.New384}, true
	case "A256CBC-HS512":
		return content{key: 64, iv: 16, tag: 32, hash: sha512.New}, true
	}
	return content{}, false
}

// openContent decrypts the content of a token whose segments have their right lengths.
func openContent(enc string, key []byte, e *encrypted) ([]byte, error) {
	c, ok := lookupContent(enc)
	if !ok || len(key) != c.key {
		return nil, ErrDecrypt
	}
	if c.hash != nil {
		return c.openCBC(key, e)
	}
	gcm, err := newGCM(key)
	if err != nil {
		return nil, ErrDecrypt
	}
	return gcm.Open(nil, e.iv, slices.Concat(e.ciphertext, e.tag), e.aad)
}

// openCBC is RFC 7518 section 5.2.2.2. Nothing is decrypted before the tag is right, so
// that the padding tells nobody anything.
func (c content) openCBC(key []byte, e *encrypted) ([]byte, error) {
	half := c.key / 2
	if subtle.ConstantTimeCompare(c.macOf(key[:half], e), e.tag) != 1 || len(e.ciphertext)%aes.BlockSize != 0 {
		return nil, ErrDecrypt
	}
	block, err := aes.NewCipher(key[half:])
	if err != nil {
		return nil, ErrDecrypt
	}
	plain := make([]byte, len(e.ciphertext))
	cipher.NewCBCDecrypter(block, e.iv).CryptBlocks(plain, e.ciphertext)
	return unpad(plain)
}

// unpad is RFC 5652 section 6.3.
func unpad(plain []byte) ([]byte, error) {
	if len(plain) == 0 {
		return nil, ErrDecrypt
	}
	n := int(plain[len(plain)-1])
	if n == 0 || n > aes.BlockSize || n > len(plain) {
		return nil, ErrDecrypt
	}
	for _, b := range plain[len(plain)-n:] {
		if int(b) != n {
			return nil, ErrDecrypt
		}
	}
	return plain[:len(plain)-n], nil
}

// macOf is the tag that a token must have.
func (c content) macOf(key []byte, e *encrypted) []byte {
	mac := hmac.New(c.hash, key)
	mac.Write(e.aad)
	mac.Write(e.iv)
	mac.Write(e.ciphertext)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(e.aad))*8))
	return mac.Sum(nil)[:c.tag]
}

// sealContent fills in the ciphertext and the tag, for e's aad and iv.
func sealContent(enc string, key, plain []byte, e *encrypted) error {
	c, _ := lookupContent(enc)
	if c.hash == nil {
		gcm, err := newGCM(key)
		if err != nil {
			return err
		}
		sealed := gcm.Seal(nil, e.iv, plain, e.aad)
		e.ciphertext, e.tag = sealed[:len(plain)], sealed[len(plain):]
		return nil
	}
	half := c.key / 2
	block, err := aes.NewCipher(key[half:])
	if err != nil {
		return err
	}
	n := aes.BlockSize - len(plain)%aes.BlockSize
	e.ciphertext = slices.Concat(plain, slices.Repeat([]byte{byte(n)}, n))
	cipher.NewCBCEncrypter(block, e.iv).CryptBlocks(e.ciphertext, e.ciphertext)
	e.tag = c.macOf(key[:half], e)
	return nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
