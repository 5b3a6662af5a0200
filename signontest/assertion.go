package signontest

import (
	"crypto"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523 section 2.2

	// assertionLife is how long an assertion may live, and assertionSkew how far its
	// clock may be off.
	assertionLife = 60 * time.Second
	assertionSkew = 5 * time.Second
)

// A clientKey is a public key of the client.
type clientKey struct {
	id, alg string // alg "": any that fits
	key     crypto.PublicKey
}

// SetClientKeys replaces the client's public keys, as a client does that rolls its keys
// over: by a JWK Set, such as [signon.Client.JWKSHandler] serves. Keys for encryption in
// it are passed over.
func (p *Provider) SetClientKeys(set json.RawMessage) error {
	keys, err := parseClientKeys(set)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.apps = keys
	return nil
}

// registerClientKeys panics for a key set that is none: the test's own mistake.
func (p *Provider) registerClientKeys() {
	switch {
	case p.cfg.ClientAuth != "private_key_jwt":
	case p.cfg.ClientKeys == nil:
		p.ownKey = newKey("ES256")
		p.apps = []clientKey{{id: ownKeyID, alg: "ES256", key: p.ownKey.Public()}}
	default:
		if err := p.SetClientKeys(p.cfg.ClientKeys); err != nil {
			panic(fmt.Sprintf("signontest: Config.ClientKeys: %v", err))
		}
	}
}

// ownKeyID is the kid of the key that the provider has made for its client.
const ownKeyID = "app-key"

// assertionAlgs is what the metadata say, RFC 8414 section 2.
func (p *Provider) assertionAlgs() []string {
	switch p.cfg.ClientAuth {
	case "client_secret_jwt":
		return []string{"HS256", "HS384", "HS512"}
	case "private_key_jwt":
		return slices.Concat(rsaAlgs, []string{"ES256", "ES384", "ES512", "EdDSA"})
	}
	return nil
}

// assertionProof tells by the algorithm which method it is, and takes the client's
// name from the assertion where it is not beside it, RFC 7523 section 3.
func (p *Provider) assertionProof(form url.Values) proof {
	sent := proof{method: "private_key_jwt", id: form.Get("client_id")}
	p.keepSecret(form.Get("client_assertion"))
	jws, err := splitJWS(form.Get("client_assertion"))
	if err != nil || form.Get("client_assertion_type") != assertionType {
		return proof{method: "none"}
	}
	if alg, _ := jws.header["alg"].(string); strings.HasPrefix(alg, "HS") {
		sent.method = "client_secret_jwt"
	}
	if sent.id == "" {
		sent.id, _ = jws.claims["sub"].(string)
	}
	return sent
}

// checkAssertion is RFC 7523 section 3, with the audience as one string and a type that
// says what it is for, as its successor wants them.
func (p *Provider) checkAssertion(assertion string) *tokenError {
	jws, err := splitJWS(assertion)
	if err == nil {
		err = p.verifyAssertion(jws)
	}
	if err == nil {
		err = p.checkAssertionClaims(jws)
	}
	if err != nil {
		return invalidClient("client_assertion: " + err.Error())
	}
	return nil
}

func (p *Provider) verifyAssertion(jws *jws) error {
	alg, _ := jws.header["alg"].(string)
	kid, hasKid := jws.header["kid"].(string)
	typ, _ := jws.header["typ"].(string)
	switch {
	case !slices.Contains([]string{"", "JWT", "client-authentication+jwt"}, typ):
		return fmt.Errorf("typ %.50q", typ)
	case !slices.Contains(p.assertionAlgs(), alg):
		return fmt.Errorf("alg %.50q is not supported", alg)
	case strings.HasPrefix(alg, "HS"):
		return verifyJWS(alg, []byte(p.cfg.ClientSecret), jws)
	}
	p.mu.Lock()
	keys := p.apps
	p.mu.Unlock()
	for _, k := range keys {
		if hasKid && k.id != kid || k.alg != "" && k.alg != alg {
			continue
		}
		if err := verifyJWS(alg, k.key, jws); err == nil || hasKid {
			return err
		}
	}
	return fmt.Errorf("no key %.50q of the client is for %s", kid, alg)
}

func (p *Provider) checkAssertionClaims(jws *jws) error {
	c, now := jws.claims, time.Now()
	audience, _ := c["aud"].(string)
	jti, _ := c["jti"].(string)
	exp, iat := seconds(c["exp"]), seconds(c["iat"])
	switch {
	case c["iss"] != p.cfg.ClientID || c["sub"] != p.cfg.ClientID:
		return fmt.Errorf("iss and sub are not both the client_id")
	case !slices.Contains([]string{p.cfg.Issuer, p.URL(Token), p.URL(Revocation), p.URL(Introspection)}, audience):
		return fmt.Errorf("aud is not one string with the issuer or an endpoint")
	case exp.IsZero() || !now.Before(exp.Add(assertionSkew)):
		return fmt.Errorf("it has expired, or has no exp")
	case exp.After(now.Add(assertionLife + assertionSkew)):
		return fmt.Errorf("it lives longer than %v", assertionLife)
	case iat.IsZero() || iat.After(now.Add(assertionSkew)):
		return fmt.Errorf("it is from the future, or has no iat")
	case len(jti) < 22: // 128 bits in base64url
		return fmt.Errorf("its jti is missing or can be guessed")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.jtis[jti] {
		return fmt.Errorf("its jti was used before")
	}
	p.jtis[jti] = true
	return nil
}

func seconds(v any) time.Time {
	f, ok := v.(float64)
	if !ok {
		return time.Time{}
	}
	return time.Unix(int64(f), 0)
}

// A jws is a compact JWS, taken apart and not verified.
type jws struct {
	header, claims map[string]any
	input          string
	signature      []byte
}

func splitJWS(token string) (*jws, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("it is no compact JWS")
	}
	j := &jws{input: parts[0] + "." + parts[1]}
	for i, into := range []any{&j.header, &j.claims} {
		raw, err := unb64(parts[i])
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(raw, into); err != nil {
			return nil, err
		}
	}
	var err error
	j.signature, err = unb64(parts[2])
	return j, err
}
