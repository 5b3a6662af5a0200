package oidc

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed1a301047/signon/internal/jose"
)

var (
	errEncrypted = errors.New("it is encrypted, which was not agreed on; " +
		"set the algorithm that the application is registered with, and DecryptionKeys, or have the provider not encrypt")
	errPlain = errors.New("it is not encrypted, though that was agreed on; " +
		"compare the encryption algorithm of the configuration with that of the application's registration")
)

// open returns the token that is inside an encrypted one, or one that is not encrypted
// as it is: whichever was agreed on. Nothing inside is trusted for having been encrypted:
// everybody has the key for that. A cty must be one of the content types.
func (e *Expect) open(raw string, contents ...string) (inner string, err error) {
	switch encrypted := jose.IsEncrypted(raw); {
	case e.Decrypter == nil && encrypted:
		return "", errEncrypted
	case e.Decrypter == nil:
		return raw, nil
	case !encrypted:
		return "", errPlain
	}
	plain, cty, err := e.Decrypter.Decrypt(raw)
	if err != nil {
		return "", err
	}
	if cty != "" && !slices.Contains(contents, mediaSubtype(cty)) { // RFC 7519 section 5.2
		return "", fmt.Errorf("its cty is %.40q, expected one of %q", cty, contents)
	}
	return string(plain), nil
}

// mediaSubtype reads a typ or cty, which may leave "application/" out (RFC 7515 section
// 4.1.9).
func mediaSubtype(s string) string {
	return strings.TrimPrefix(strings.ToLower(s), "application/")
}
