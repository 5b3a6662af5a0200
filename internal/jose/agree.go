package jose

import (
	"crypto/aes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"slices"
)

// wrapSize is the length in bytes of the key that wraps the content's, or 0 for an
// algorithm that wraps none (RFC 7518 section 4.6).
func wrapSize(alg string) int {
	switch alg {
	case "ECDH-ES+A128KW":
		return 16
	case "ECDH-ES+A192KW":
		return 24
	case "ECDH-ES+A256KW":
		return 32
	}
	return 0
}

// concatKDF makes a key of size bytes from what a key agreement has brought (RFC 7518
// section 4.6.2, NIST SP 800-56A section 5.8.1). id is the alg, or the enc where the key
// is the content's own.
func concatKDF(shared []byte, id string, apu, apv []byte, size int) []byte {
	var info []byte
	for _, part := range [][]byte{[]byte(id), apu, apv} {
		info = binary.BigEndian.AppendUint32(info, uint32(len(part)))
		info = append(info, part...)
	}
	info = binary.BigEndian.AppendUint32(info, uint32(size)*8)
	var key []byte
	for round := uint32(1); len(key) < size; round++ {
		sum := sha256.Sum256(slices.Concat(binary.BigEndian.AppendUint32(nil, round), shared, info))
		key = append(key, sum[:]...)
	}
	return key[:size]
}

const wrapUnit = 8 // bytes

// wrapCheck is what stands in front of a key before it is wrapped (RFC 3394 section
// 2.2.3.1).
const wrapCheck = 0xa6a6a6a6a6a6a6a6

// wrapKey is RFC 3394 section 2.2.1. A key has a multiple of eight bytes, two or more
// times.
func wrapKey(kek, key []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	out := binary.BigEndian.AppendUint64(nil, wrapCheck)
	out = append(out, key...)
	n := len(key) / wrapUnit
	var b [aes.BlockSize]byte
	for step := range 6 * n {
		unit := out[(step%n+1)*wrapUnit:][:wrapUnit]
		copy(b[:], out[:wrapUnit])
		copy(b[wrapUnit:], unit)
		block.Encrypt(b[:], b[:])
		binary.BigEndian.PutUint64(out, binary.BigEndian.Uint64(b[:])^uint64(step+1))
		copy(unit, b[wrapUnit:])
	}
	return out, nil
}

// unwrapKey is RFC 3394 section 2.2.2.
func unwrapKey(kek, wrapped []byte) ([]byte, error) {
	n := len(wrapped)/wrapUnit - 1
	if len(wrapped)%wrapUnit != 0 || n < 2 || n > 8 {
		return nil, ErrDecrypt
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, ErrDecrypt
	}
	out := slices.Clone(wrapped)
	var b [aes.BlockSize]byte
	for step := 6*n - 1; step >= 0; step-- {
		unit := out[(step%n+1)*wrapUnit:][:wrapUnit]
		binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(out)^uint64(step+1))
		copy(b[wrapUnit:], unit)
		block.Decrypt(b[:], b[:])
		copy(out, b[:wrapUnit])
		copy(unit, b[wrapUnit:])
	}
	want := binary.BigEndian.AppendUint64(nil, wrapCheck)
	if subtle.ConstantTimeCompare(out[:wrapUnit], want) != 1 {
		return nil, ErrDecrypt
	}
	return out[wrapUnit:], nil
}
