// Package hooks bends Signon to a provider that does not keep to the standards:
// each function of [Hooks] sees one kind of request before it is sent, or one kind
// of response before it is read, and may change it.
//
// The smallest use is a ready-made fix:
//
//	signon.Provider{Name: "slack", Hooks: hooks.DefaultTokenType("Bearer"), ...}
//
// and a fix of your own is a function:
//
//	hooks.Hooks{
//		TokenRequest: func(ctx context.Context, r *hooks.Request) error {
//			r.Params.Set("audience", "https://api.example.com")
//			return nil
//		},
//	}
//
// # Ready-made fixes
//
// Each is one way in which providers depart from the standards, and mends both a login
// and a refresh where it can happen at both. [Join] makes one of several.
//
//	token response is form-encoded            FormTokenResponse
//	    under another media type              FormTokenResponse("text/plain")
//	token response or userinfo is JSON
//	    under another media type              JSONType
//	token_type is missing                     DefaultTokenType
//	token_type is an odd word                 OddTokenType
//	a member has another name (expires)       RenameTokenMember
//	token response stands inside an object    NestedTokenResponse
//	expires_in is a string or a fraction      nothing: it is understood
//	error has another name, or status 200     ErrorMember
//	error codes are not the standard's        ErrorCodes
//	scope is a JSON array                     nothing: it is understood
//	scopes are separated by a comma           ScopeSeparator
//	token request must be JSON                JSONRequest
//	userinfo takes the token in the query     InsecureTokenInQuery
//	API takes the token in query or body      Provider.TokenPlacement
//	userinfo wants a POST                     PostUserInfo
//	every request needs a header field        Header
//	every request needs a query parameter     QueryParam
//	a parameter at login or code exchange     Provider.AuthorizeParams, TokenParams
//	userinfo stands inside an object or array NestedProfile
//	name in the first form_post only          FirstFormPostUser
//	user has another member than sub or id    Provider.SubjectClaim
//
// Fixes of a response are joined from the outside in: what takes it out of another
// object before what renames its members, [ErrorMember] before [ErrorCodes]. Put
// [FormTokenResponse] first: hooks behind it, your own too, see JSON. [InsecureTokenInQuery]
// comes after hooks that look for the token in the header.
//
// An argument that cannot be right, such as a header field with a line feed in it, is an
// error of Registry.Register; see [Hooks.Check].
//
// # What a hook can do, and what it cannot
//
// A response hook runs before anything is checked, so what it writes is checked as
// if the provider had sent it: no hook switches off the check of a state, a nonce,
// a signature, a token. A request hook may set any parameter; afterwards each but
// resource and audience has one value, or the request is refused, and the request
// still goes to the origin that the configuration names. What protects a login stays as
// it is: the state, the nonce, the code_challenge, iss.
//
// A hook that returns an error, panics or is not back when its context ends stops
// the login, refresh or call that it is part of: hooks fail closed. A hook must
// respect its context, as nothing can stop a function that does not: its goroutine
// and what it holds stay until it returns, though its effect is dropped.
//
// A hook gets a copy, and its result is copied: a reference that it keeps shows no
// later change, and makes none. Hooks of one provider run for that provider only,
// from many goroutines at once.
//
// # Secrets
//
// The parameters and bodies that a hook sees contain codes, tokens and the like.
// [Authorize], [AuthorizeResponse], [Request], [Response] and [Profile] do not print
// them, through fmt, JSON or log/slog: only the names of the parameters and the size of
// the body show. A hook that takes a value out must keep it out of the log itself, and
// out of the error that it returns, which is logged. The client's secret is
// added after the request hooks, so none of them sees it.
package hooks

import (
	"context"
	"net/http"
)

// Hooks are the functions of one provider. Any of them may be nil, and the zero
// value changes nothing.
type Hooks struct {
	// Authorize runs before the browser is sent to the authorization endpoint,
	// RFC 6749 section 4.1.1.
	Authorize func(ctx context.Context, a *Authorize) error

	// AuthorizeResponse runs on what the browser brought back, RFC 6749 section 4.1.2,
	// before any of it is read: anybody can write that. It may rename a code or an error.
	// The state and iss, by which it is told whose answer it is, stay as they came, and a
	// token that was not asked for is refused before and after it. With form_post it runs
	// once, on what was posted.
	AuthorizeResponse func(ctx context.Context, a *AuthorizeResponse) error

	// TokenRequest runs before a code is exchanged, RFC 6749 section 4.1.3, or a token
	// is asked for with the client's own credentials, section 4.4,
	// RefreshRequest before a refresh, section 6, RevokeRequest before a
	// revocation, RFC 7009 section 2.1, and IntrospectRequest before an
	// introspection, RFC 7662 section 2.1.
	TokenRequest, RefreshRequest, RevokeRequest, IntrospectRequest func(ctx context.Context, r *Request) error

	// TokenResponse, RefreshResponse, RevokeResponse and IntrospectResponse run
	// on what came back, whatever its status, before it is read.
	// UserInfoResponse runs on the answer of the userinfo endpoint.
	TokenResponse, RefreshResponse, RevokeResponse, IntrospectResponse, UserInfoResponse func(ctx context.Context, r *Response) error

	// UserInfoRequest runs before the userinfo endpoint is asked, OpenID Connect
	// Core section 5.3.1. The access token is in the request already.
	UserInfoRequest func(ctx context.Context, r *http.Request) error

	// Profile runs once for each login, when all of it has been verified and before the
	// application is asked, and says who the user is in the same words for every provider.
	// It may ask the provider's API for more. It has ten seconds, all of its calls
	// included.
	Profile func(ctx context.Context, p *Profile) error

	// APIRequest and APIResponse run around each request of the provider's API.
	// An APIResponse that replaces the Body must close the old one.
	APIRequest  func(ctx context.Context, r *http.Request) error
	APIResponse func(ctx context.Context, r *http.Response) error

	misuse []error // of arguments; see Check
}

// Join returns Hooks that run those of hs in order, each seeing what the ones
// before it made, in requests and in responses alike. The first error stops them. The
// functions are those of hs as they are now: a change to hs later changes nothing. What
// [Hooks.Check] says of one of hs it says of the result.
func Join(hs ...Hooks) Hooks {
	return Hooks{
		Authorize:          chain(hs, func(h *Hooks) hook[*Authorize] { return h.Authorize }),
		AuthorizeResponse:  chain(hs, func(h *Hooks) hook[*AuthorizeResponse] { return h.AuthorizeResponse }),
		TokenRequest:       chain(hs, func(h *Hooks) hook[*Request] { return h.TokenRequest }),
		RefreshRequest:     chain(hs, func(h *Hooks) hook[*Request] { return h.RefreshRequest }),
		RevokeRequest:      chain(hs, func(h *Hooks) hook[*Request] { return h.RevokeRequest }),
		IntrospectRequest:  chain(hs, func(h *Hooks) hook[*Request] { return h.IntrospectRequest }),
		TokenResponse:      chain(hs, func(h *Hooks) hook[*Response] { return h.TokenResponse }),
		RefreshResponse:    chain(hs, func(h *Hooks) hook[*Response] { return h.RefreshResponse }),
		RevokeResponse:     chain(hs, func(h *Hooks) hook[*Response] { return h.RevokeResponse }),
		IntrospectResponse: chain(hs, func(h *Hooks) hook[*Response] { return h.IntrospectResponse }),
		UserInfoResponse:   chain(hs, func(h *Hooks) hook[*Response] { return h.UserInfoResponse }),
		UserInfoRequest:    chain(hs, func(h *Hooks) hook[*http.Request] { return h.UserInfoRequest }),
		Profile:            chain(hs, func(h *Hooks) hook[*Profile] { return judged(h.Profile) }),
		APIRequest:         chain(hs, func(h *Hooks) hook[*http.Request] { return h.APIRequest }),
		APIResponse:        chain(hs, func(h *Hooks) hook[*http.Response] { return h.APIResponse }),
		misuse:             misuses(hs),
	}
}

// judged has the verdict about an e-mail address settled after each hook, not only after
// the last: one that replaces the address does not take over what an earlier one has said
// of another.
func judged(f hook[*Profile]) hook[*Profile] {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, p *Profile) error {
		email, verified := p.Email, p.EmailVerified
		err := f(ctx, p)
		p.EmailVerified = p.Verdict(email, verified)
		return err
	}
}

type hook[T any] = func(ctx context.Context, v T) error

// chain returns one field of all hs as one function, nil if it is nil in each: a
// nil hook costs nothing.
func chain[T any](hs []Hooks, field func(*Hooks) hook[T]) hook[T] {
	var all []hook[T]
	for i := range hs {
		if f := field(&hs[i]); f != nil {
			all = append(all, f)
		}
	}
	if len(all) < 2 {
		return first(all)
	}
	return func(ctx context.Context, v T) error {
		for _, f := range all {
			if err := f(ctx, v); err != nil {
				return err
			}
		}
		return nil
	}
}

func first[T any](all []hook[T]) hook[T] {
	if len(all) == 0 {
		return nil
	}
	return all[0]
}
