package signontest

import (
	"fmt"
	"slices"
	"strings"
)

// A Fault is something that the provider does wrong once it is armed; see
// [Provider.Arm].
type Fault string

// Faults of the way to an answer. They can happen at any endpoint, as in
// SlowBody.At(UserInfo); where At does not say otherwise, at the token endpoint.
// Those that say so happen after the request was carried out: its code is spent,
// its refresh token replaced.
const (
	Redirect          Fault = "Redirect"          // 307 to another host, which gives the answer; see Elsewhere
	RedirectFound     Fault = "RedirectFound"     // the same with 302
	RedirectSeeOther  Fault = "RedirectSeeOther"  // the same with 303
	RedirectPermanent Fault = "RedirectPermanent" // the same with 308
	SlowHeaders       Fault = "SlowHeaders"       // a header that never ends, a byte a second
	SlowBody          Fault = "SlowBody"          // a body that never ends, a byte a second
	Hang              Fault = "Hang"              // no answer, and nothing done
	LostAnswer        Fault = "LostAnswer"        // no answer, after the request was carried out
	HugeBody          Fault = "HugeBody"          // JSON of 200 MB
	GzipBomb          Fault = "GzipBomb"          // 10 MB that inflate to 10 GB
	TruncatedBody     Fault = "TruncatedBody"     // half of the answer, after the request was carried out
	ResetConnection   Fault = "ResetConnection"   // connection reset instead of an answer, after the request was carried out
	HTMLBody          Fault = "HTMLBody"          // 200 with a page
	EmptyBody         Fault = "EmptyBody"         // 200 with nothing
	NullBody          Fault = "NullBody"          // 200 with JSON null
	ArrayBody         Fault = "ArrayBody"         // 200 with a JSON array
	PlainTextBody     Fault = "PlainTextBody"     // the right answer as text/plain, after the request was carried out
	DuplicateMember   Fault = "DuplicateMember"   // the right answer with its first member twice
	InvalidUTF8       Fault = "InvalidUTF8"       // the right answer with a member that is not UTF-8
	Created           Fault = "Created"           // the right answer with status 201 instead of 200
	ServerError       Fault = "ServerError"       // 500
	Down              Fault = "Down"              // 503
	TooManyRequests   Fault = "TooManyRequests"   // 429 with Retry-After: 30
)

// The same at the endpoints where they are wanted most.
const (
	RedirectDiscovery Fault = "Redirect@metadata"
	RedirectJWKS      Fault = "Redirect@jwks"
	RedirectToken     Fault = "Redirect@token"
	RedirectUserInfo  Fault = "Redirect@userinfo"
	APIRedirect       Fault = "Redirect@api"
	HangToken         Fault = "Hang@token"
	HTMLToken         Fault = "HTMLBody@token"
	DownMetadata      Fault = "Down@metadata"
	DownJWKS          Fault = "Down@jwks"
	DownToken         Fault = "Down@token"
	DownUserInfo      Fault = "Down@userinfo"
)

// Faults of the metadata, the authorization response and the API.
const (
	IssuerMismatch       Fault = "IssuerMismatch"       // the metadata's issuer has a slash too many
	WrongIss             Fault = "WrongIss"             // iss of the authorization response is another issuer
	NoIss                Fault = "NoIss"                // iss is missing although the metadata promise it
	WrongState           Fault = "WrongState"           // state is another one
	NoState              Fault = "NoState"              // state is missing
	ErrorResponse        Fault = "ErrorResponse"        // the authorization response is server_error
	IgnorePKCE           Fault = "IgnorePKCE"           // the code_verifier is not checked
	WrongSubjectUserInfo Fault = "WrongSubjectUserInfo" // the userinfo is about mallory
	API401Once           Fault = "API401Once"           // the API refuses a good token, once
	API401Always         Fault = "API401Always"         // the API refuses every token
)

// Faults of the token response. The errors happen instead of carrying out the
// request.
const (
	InvalidClient         Fault = "InvalidClient"         // 401 invalid_client
	InvalidGrant          Fault = "InvalidGrant"          // 400 invalid_grant
	EchoingError          Fault = "EchoingError"          // 400 with an error_description that has every secret of the request in it, and a forged log line
	TokenErrorWith200     Fault = "TokenErrorWith200"     // an error with status 200
	TokenErrorForm200     Fault = "TokenErrorForm200"     // an error with status 200, form-encoded
	TokenErrorBoth        Fault = "TokenErrorBoth"        // error and access_token with status 200
	FormToken             Fault = "FormToken"             // a good answer, form-encoded
	NoAccessToken         Fault = "NoAccessToken"         // access_token is missing
	EmptyAccessToken      Fault = "EmptyAccessToken"      // access_token is ""
	AccessTokenNewline    Fault = "AccessTokenNewline"    // access_token would add a header where it is used
	AccessTokenNumber     Fault = "AccessTokenNumber"     // access_token is 12345
	NoTokenType           Fault = "NoTokenType"           // token_type is missing
	UpperTokenType        Fault = "UpperTokenType"        // token_type is BEARER, which is right
	MACTokenType          Fault = "MACTokenType"          // token_type is mac
	DPoPTokenType         Fault = "DPoPTokenType"         // token_type is DPoP
	NoExpiresIn           Fault = "NoExpiresIn"           // expires_in is missing
	ExpiresInString       Fault = "ExpiresInString"       // expires_in is "3600"
	ExpiresInFloat        Fault = "ExpiresInFloat"        // expires_in is 3600.5
	ExpiresInEmpty        Fault = "ExpiresInEmpty"        // expires_in is ""
	ExpiresInZero         Fault = "ExpiresInZero"         // expires_in is 0
	ExpiresInNegative     Fault = "ExpiresInNegative"     // expires_in is -99999999999
	ExpiresInHuge         Fault = "ExpiresInHuge"         // expires_in is 1e308
	ExpiresInBool         Fault = "ExpiresInBool"         // expires_in is true
	ExpiresInNull         Fault = "ExpiresInNull"         // expires_in is null
	NoRefreshToken        Fault = "NoRefreshToken"        // refresh_token is missing; at a refresh, after the old one was replaced
	EmptyRefreshToken     Fault = "EmptyRefreshToken"     // refresh_token is ""
	RefreshNoRefreshToken Fault = "RefreshNoRefreshToken" // a refresh does not replace the refresh token and brings none
	RefreshOtherSubject   Fault = "RefreshOtherSubject"   // the ID token of a refresh is about mallory
)

// Faults of the ID token. Except where a fault is about the signature, it is good.
const (
	NoIDToken      Fault = "NoIDToken"      // id_token is missing
	WrongNonce     Fault = "WrongNonce"     // nonce is another one, at a refresh too
	MissingNonce   Fault = "MissingNonce"   // nonce is missing
	WrongIssuer    Fault = "WrongIssuer"    // iss is another issuer
	WrongAudience  Fault = "WrongAudience"  // aud is another client
	ExtraAudience  Fault = "ExtraAudience"  // aud is the client and another one
	ForeignAZP     Fault = "ForeignAZP"     // azp is another client
	ExpiredIDToken Fault = "ExpiredIDToken" // exp is eight minutes ago
	FutureIssuedAt Fault = "FutureIssuedAt" // iat is in an hour
	OldIDToken     Fault = "OldIDToken"     // iat is an hour ago
	NotYetValid    Fault = "NotYetValid"    // nbf is in an hour
	OldAuthTime    Fault = "OldAuthTime"    // auth_time is a day ago
	NoAuthTime     Fault = "NoAuthTime"     // auth_time is missing
	WrongACR       Fault = "WrongACR"       // acr is one that nobody asked for
	MissingSubject Fault = "MissingSubject" // sub is missing
	DuplicateClaim Fault = "DuplicateClaim" // sub is there twice, first as mallory
	WrongAtHash    Fault = "WrongAtHash"    // at_hash is that of another access token
	AlgNone        Fault = "AlgNone"        // alg none without a signature
	AlgHS256       Fault = "AlgHS256"       // HS256 with the public key, as PEM, for the secret
	AlgHS256Secret Fault = "AlgHS256Secret" // HS256 with the client secret
	BadSignature   Fault = "BadSignature"   // a character of the signature is another one
	ForeignKey     Fault = "ForeignKey"     // signed with a key that is not in the key set, under a kid that is
	EmbeddedKey    Fault = "EmbeddedKey"    // signed with ES256 by a key that the header brings along
	UnknownKid     Fault = "UnknownKid"     // kid is not in the key set
	NoKid          Fault = "NoKid"          // kid is missing
	CritHeader     Fault = "CritHeader"     // crit names an extension that nobody knows
	WrongTyp       Fault = "WrongTyp"       // typ is that of an access token
	OtherAlg       Fault = "OtherAlg"       // signed with another algorithm, by a key that is in the key set
)

// Faults of the encryption of the ID token. EncryptedIDToken encrypts where it is not
// configured, to a key that nobody has; the others are about an encryption that is.
const (
	EncryptedIDToken Fault = "EncryptedIDToken" // encrypted although it was not agreed upon
	PlainIDToken     Fault = "PlainIDToken"     // signed only, although it should be encrypted
	UnsignedJWE      Fault = "UnsignedJWE"      // the claims are encrypted and not signed
	NestedJWE        Fault = "NestedJWE"        // encrypted twice
)

// Faults of a userinfo that is configured to be signed or encrypted. EncryptedUserInfo
// encrypts where it is not, to a key that nobody has.
const (
	PlainUserInfo         Fault = "PlainUserInfo"         // JSON
	JSONAsJWTUserInfo     Fault = "JSONAsJWTUserInfo"     // JSON as application/jwt
	EncryptedUserInfo     Fault = "EncryptedUserInfo"     // encrypted although it was not agreed upon
	UnsignedUserInfo      Fault = "UnsignedUserInfo"      // the claims are not signed, whether they are encrypted or not
	AlgNoneUserInfo       Fault = "AlgNoneUserInfo"       // alg none without a signature
	BadSignatureUserInfo  Fault = "BadSignatureUserInfo"  // a character of the signature is another one
	ForeignKeyUserInfo    Fault = "ForeignKeyUserInfo"    // signed with a key that is not in the key set, under a kid that is
	WrongIssuerUserInfo   Fault = "WrongIssuerUserInfo"   // iss is another issuer
	WrongAudienceUserInfo Fault = "WrongAudienceUserInfo" // aud is another client
)

var transportFaults = []Fault{
	Redirect, RedirectFound, RedirectSeeOther, RedirectPermanent, SlowHeaders, SlowBody, Hang, LostAnswer, HugeBody,
	GzipBomb, TruncatedBody, ResetConnection, HTMLBody, EmptyBody, NullBody, ArrayBody, PlainTextBody, DuplicateMember,
	InvalidUTF8, Created, ServerError, Down, TooManyRequests,
}

var protocolFaults = []Fault{
	IssuerMismatch, WrongIss, NoIss, WrongState, NoState, ErrorResponse, IgnorePKCE, WrongSubjectUserInfo, API401Once,
	API401Always, InvalidClient, InvalidGrant, EchoingError, TokenErrorWith200, TokenErrorForm200, TokenErrorBoth,
	FormToken, NoAccessToken, EmptyAccessToken, AccessTokenNewline, AccessTokenNumber, NoTokenType, UpperTokenType,
	MACTokenType, DPoPTokenType, NoExpiresIn, ExpiresInString, ExpiresInFloat, ExpiresInEmpty, ExpiresInZero,
	ExpiresInNegative, ExpiresInHuge, ExpiresInBool, ExpiresInNull, NoRefreshToken, EmptyRefreshToken,
	RefreshNoRefreshToken, RefreshOtherSubject, NoIDToken, WrongNonce, MissingNonce, WrongIssuer, WrongAudience,
	ExtraAudience, ForeignAZP, ExpiredIDToken, FutureIssuedAt, OldIDToken, NotYetValid, OldAuthTime, NoAuthTime,
	WrongACR, MissingSubject, DuplicateClaim, WrongAtHash, AlgNone, AlgHS256, AlgHS256Secret, BadSignature, ForeignKey,
	EmbeddedKey, UnknownKid, NoKid, CritHeader, WrongTyp, OtherAlg, EncryptedIDToken, PlainIDToken, UnsignedJWE, NestedJWE,
	PlainUserInfo, JSONAsJWTUserInfo, EncryptedUserInfo, UnsignedUserInfo, AlgNoneUserInfo, BadSignatureUserInfo,
	ForeignKeyUserInfo, WrongIssuerUserInfo, WrongAudienceUserInfo,
}

// Faults returns every fault by its name, those of the way without an endpoint.
func Faults() []Fault { return slices.Concat(transportFaults, protocolFaults, logoutFaults) }

// At returns the fault at an endpoint. It is for the faults that can happen at any.
func (f Fault) At(e Endpoint) Fault {
	name, _, _ := strings.Cut(string(f), "@")
	return Fault(name + "@" + string(e))
}

// Arm has the faults happen each time, until they are disarmed. [API401Once]
// happens once. Arm panics for a fault that does not exist.
func (p *Provider) Arm(faults ...Fault) {
	for _, f := range faults {
		n := -1
		if f == API401Once {
			n = 1
		}
		p.ArmN(f, n)
	}
}

// ArmN has a fault happen n times. If n is negative, each time.
func (p *Provider) ArmN(f Fault, n int) {
	f = full(f)
	p.mu.Lock()
	defer p.mu.Unlock()
	if n == 0 {
		delete(p.armed, f)
		return
	}
	p.armed[f] = n
}

// Disarm ends the faults, or if none is named, all.
func (p *Provider) Disarm(faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(faults) == 0 {
		clear(p.armed)
	}
	for _, f := range faults {
		delete(p.armed, full(f))
	}
}

// Fired returns how often a fault has happened, so that a test can tell that it
// tested anything.
func (p *Provider) Fired(f Fault) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fired[full(f)]
}

// full names the endpoint of a fault of the way, and checks that there is such a
// fault.
func full(f Fault) Fault {
	name, at, hasAt := strings.Cut(string(f), "@")
	transport := slices.Contains(transportFaults, Fault(name))
	_, endpoint := paths[Endpoint(at)]
	switch {
	case transport && !hasAt:
		return f.At(Token)
	case transport && endpoint && Endpoint(at) != Elsewhere,
		!hasAt && (slices.Contains(protocolFaults, f) || slices.Contains(logoutFaults, f)):
		return f
	}
	panic(fmt.Sprintf("signontest: there is no fault %q", f))
}

// fires tells whether the fault is to happen now, and counts it.
func (p *Provider) fires(f Fault) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.armed[f]
	if n == 0 {
		return false
	}
	if n > 0 {
		p.armed[f]--
	}
	if n == 1 {
		delete(p.armed, f)
	}
	p.fired[f]++
	return true
}

func (p *Provider) isArmed(f Fault) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.armed[f] != 0
}

func (p *Provider) anyArmed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.armed) > 0
}
