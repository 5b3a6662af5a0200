package signontest

// ConcatKDF, WrapKey and Seal are tested by vectors.
var (
	ConcatKDF = concatKDF
	WrapKey   = wrapKey
)

func (e Encryption) Seal(cek, iv, aad, payload []byte) (sealed, tag []byte, err error) {
	return e.seal(cek, iv, aad, payload)
}
