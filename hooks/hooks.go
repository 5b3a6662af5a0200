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
// # What a hook can do, and what it cannot
//
// A response hook runs before anything is checked, so what it writes is checked as
// if the provider had sent it: no hook switches off the check of a state, a nonce,
// a signature, a token. A request hook may set any parameter; afterwards each but
// resource and audience has one value, or the request is refused, and the request
// still goes to the origin that the configuration names.
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
// [Authorize], [Request] and [Response] do not print them, through fmt, JSON or
// log/slog: only the names of the parameters and the size of the body show. A hook
// that takes a value out must keep it out of the log itself. The client's secret is
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

	// TokenRequest runs before a code is exchanged, RFC 6749 section 4.1.3,
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

	// APIRequest and APIResponse run around each request of the provider's API.
	// An APIResponse that replaces the Body must close the old one.
	APIRequest  func(ctx context.Context, r *http.Request) error
	APIResponse func(ctx context.Context, r *http.Response) error
}

// Join returns Hooks that run those of hs in order, each seeing what the ones
// before it made. The first error stops them.
func Join(hs ...Hooks) Hooks {
	return Hooks{
		Authorize:          chain(hs, func(h *Hooks) hook[*Authorize] { return h.Authorize }),
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
		APIRequest:         chain(hs, func(h *Hooks) hook[*http.Request] { return h.APIRequest }),
		APIResponse:        chain(hs, func(h *Hooks) hook[*http.Response] { return h.APIResponse }),
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
