package signontest

import (
	"crypto/subtle"
	"net/http"
	"net/url"
)

// authMethods are those of OpenID Connect Core section 9 that a client with a secret
// or a key has.
var authMethods = []string{"client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"}

// authMethods is what the metadata say.
func (p *Provider) authMethods() []string {
	switch {
	case p.cfg.Public:
		return []string{"none"}
	case p.cfg.ClientAuth != "":
		return []string{p.cfg.ClientAuth}
	}
	return authMethods[:2]
}

// A proof is what a request says of the client that sent it.
type proof struct{ method, id, secret string }

// authenticate checks the form of the request too: every endpoint that knows
// clients takes nothing but a form with each parameter once.
func (p *Provider) authenticate(e Endpoint, r *http.Request) *tokenError {
	if r.Method != http.MethodPost || r.PostForm == nil {
		return invalidRequest("a form is to be posted")
	}
	for name, v := range r.PostForm {
		if len(v) > 1 && name != "resource" && name != "audience" {
			return invalidRequest("a parameter is there twice")
		}
	}
	if !p.fixedQuery(e, r) {
		return invalidRequest("parameters belong into the body")
	}
	sent, err := p.proofOf(r)
	if err != nil {
		return err
	}
	want := p.cfg.ClientAuth
	if p.cfg.Public {
		want = "none"
	}
	switch {
	case sent.id != p.cfg.ClientID:
		return invalidClient("no such client")
	case want != "" && sent.method != want:
		return invalidClient("the client did not prove itself by " + want)
	case sent.method == "client_secret_jwt" || sent.method == "private_key_jwt":
		return p.checkAssertion(r.PostForm.Get("client_assertion"))
	case !p.isSecret(sent.secret):
		return invalidClient("the client did not prove itself")
	}
	return nil
}

func invalidClient(text string) *tokenError {
	return &tokenError{http.StatusUnauthorized, "invalid_client", text}
}

func (p *Provider) isSecret(secret string) bool {
	if p.cfg.CheckSecret != nil {
		return p.cfg.CheckSecret(secret) == nil
	}
	return subtle.ConstantTimeCompare([]byte(secret), []byte(p.cfg.ClientSecret)) == 1
}

// proofOf refuses a client that proves itself in two ways, RFC 6749 section 2.3.
func (p *Provider) proofOf(r *http.Request) (proof, *tokenError) {
	form := r.PostForm
	ways, sent := 0, proof{method: "none", id: form.Get("client_id")}
	if form.Has("client_secret") {
		ways++
		sent.method, sent.secret = "client_secret_post", form.Get("client_secret")
		if p.cfg.CheckSecret != nil { // nobody knows it but for this request
			p.keepSecret(sent.secret)
		}
	}
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		ways++
		sent = p.assertionProof(form)
	}
	if user, pass, ok := r.BasicAuth(); ok {
		ways++
		uid, err1 := url.QueryUnescape(user)
		upass, err2 := url.QueryUnescape(pass)
		if p.cfg.RawBasic {
			uid, upass, err1, err2 = user, pass, nil, nil
		}
		if err1 != nil || err2 != nil {
			return proof{}, invalidRequest("client credentials are not form-urlencoded")
		}
		if form.Has("client_id") && form.Get("client_id") != uid {
			return proof{}, invalidRequest("client_id is not that of the Authorization header")
		}
		sent = proof{method: "client_secret_basic", id: uid, secret: upass}
	}
	if ways > 1 {
		return proof{}, invalidRequest("the client proves itself in two ways")
	}
	return sent, nil
}
