package signon

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/seed1a301047/signon/clientauth"
)

func parseKeys(text Secret) ([]crypto.PrivateKey, error) {
	if text == "" {
		return nil, nil
	}
	if text == redacted {
		return nil, fmt.Errorf("it is %q, from a Provider that was written out, which never shows it; set it from where keys are kept", redacted)
	}
	signers, err := clientauth.ParseKeys([]byte(text))
	if err != nil {
		return nil, err
	}
	var keys []crypto.PrivateKey
	for _, signer := range signers {
		keys = append(keys, signer)
	}
	return keys, nil
}

// parseChain reads certificates, and ignores text around them as ParseKeys does. Another
// block is refused rather than skipped: it may be the key.
func parseChain(text string) (chain [][]byte, err error) {
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("expected certificates in PEM, found a block of %q; a private key belongs into client_key", clip(block.Type, 32))
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(chain)+1, err)
		}
		chain = append(chain, block.Bytes)
	}
	switch begun := strings.Count(text, "-----BEGIN "); {
	case begun != len(chain): // pem.Decode passes over what it cannot read
		return nil, fmt.Errorf("%d certificates in PEM begin, and %d of them can be read; is one cut off, or are its line breaks lost?", begun, len(chain))
	case len(chain) == 0 && text != "":
		return nil, errors.New("expected certificates in PEM, -----BEGIN CERTIFICATE----- and the lines that follow it")
	}
	return chain, nil
}

func writeChain(chain [][]byte) string {
	var text bytes.Buffer
	for _, der := range chain {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return text.String()
}
