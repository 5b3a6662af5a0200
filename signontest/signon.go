package signontest

import (
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
)

// SignonProvider returns what [signon.Registry.Register] takes to sign users in
// with OpenID Connect at this provider, under the given name, as the configuration has
// it: the client's authentication and the encryption too, but for the private half of a
// key that the configuration gives.
func (p *Provider) SignonProvider(name string) signon.Provider {
	provider := signon.Provider{
		Name:         name,
		Issuer:       p.Issuer(),
		ClientID:     p.cfg.ClientID,
		ClientSecret: p.clientSecret(),
		ClientAuth:   p.clientAuth(),
		Scopes:       []string{"openid", "profile", "email"},
		APIBaseURL:   p.URL(API),

		IDTokenEncryptionAlg:  p.cfg.IDTokenEncryption.Alg,
		UserInfoSigningAlg:    p.cfg.UserInfoSigningAlg,
		UserInfoEncryptionAlg: p.cfg.UserInfoEncryption.Alg,
		DecryptionKeys:        p.clientDecryptionKeys(),
	}
	if p.cfg.Tenant != "" {
		provider.Tenants = []string{p.cfg.Tenant}
	}
	if _, moved := p.cfg.Endpoints[Metadata]; moved || p.cfg.Tenant != "" {
		provider.MetadataURL = p.URL(Metadata)
	}
	return provider
}

// OAuthProvider returns what [signon.Registry.Register] takes to sign users in
// with plain OAuth 2.0 at this provider, which is then much like GitHub: no
// issuer, no ID token, and a user with a numeric id.
func (p *Provider) OAuthProvider(name string) signon.Provider {
	return signon.Provider{
		Name:         name,
		ClientID:     p.cfg.ClientID,
		ClientSecret: p.clientSecret(),
		ClientAuth:   p.clientAuth(),
		Endpoint:     oauth2.Endpoint{AuthURL: p.URL(Authorize), TokenURL: p.URL(Token)},
		UserInfoURL:  p.URL(API) + "user",
		SubjectClaim: "id",
		Scopes:       []string{"profile", "items"},
		APIBaseURL:   p.URL(API),
	}
}

// clientSecret is that of the configuration, unless the client proves itself by a key:
// Register refuses a secret that nothing sends.
func (p *Provider) clientSecret() signon.Secret {
	if p.cfg.ClientAuth == "private_key_jwt" {
		return ""
	}
	return signon.Secret(p.cfg.ClientSecret)
}

// clientAuth is nil, which is the client's default, unless the configuration
// leaves only another method.
func (p *Provider) clientAuth() clientauth.Method {
	switch {
	case p.cfg.ClientAuth == "client_secret_post":
		return clientauth.Post{}
	case p.cfg.ClientAuth == "client_secret_jwt":
		return clientauth.SecretJWT{}
	case p.ownKey != nil:
		return clientauth.PrivateKeyJWT{Keys: []clientauth.Key{{ID: ownKeyID, Signer: p.ownKey}}}
	case p.cfg.RawBasic:
		return clientauth.BasicRaw{}
	}
	return nil
}
