package hooks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Header returns Hooks for a provider that wants a header field in every request:
// User-Agent at GitHub and Reddit, Client-ID at Twitch. It is set on the token, refresh,
// revocation, introspection, userinfo and API requests, in place of one that is there.
// Fields that Signon or net/http sets are refused: Authorization, Content-Type,
// Content-Length and Host. They, an empty name and a value that no header can carry are an
// error of Registry.Register, and of each request where the hooks are used without it.
func Header(name, value string) Hooks {
	why := checkField(name, value)
	set := func(h http.Header) error {
		if why == nil {
			h.Set(name, value)
		}
		return why
	}
	return everyRequest(
		func(r *Request) error { return set(r.Header) },
		func(r *http.Request) error { return set(r.Header) },
	).refusing(why)
}

// QueryParam returns Hooks for a provider that wants a parameter in the query of every
// request: key and site at Stack Exchange, v at VK. It is added to the token, refresh,
// revocation, introspection, userinfo and API requests that have none of that name.
func QueryParam(name, value string) Hooks {
	return everyRequest(
		func(r *Request) error {
			base, query, _ := strings.Cut(r.URL, "?")
			query, err := addParam(query, name, value)
			r.URL = base + "?" + query
			return err
		},
		func(r *http.Request) (err error) {
			r.URL.RawQuery, err = addParam(r.URL.RawQuery, name, value)
			return err
		},
	).refusing(checkParam(name))
}

// InsecureTokenInQuery returns Hooks for a provider whose userinfo endpoint takes the
// access token in the query only, as the parameter param, usually "access_token". The
// token then lands in the logs of every server on the way, which is why RFC 9700 section
// 4.3.2 forbids it. For API requests set Provider.TokenPlacement.
func InsecureTokenInQuery(param string) Hooks {
	fix := func(_ context.Context, r *http.Request) error {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			return errors.New("hooks: InsecureTokenInQuery found no bearer token in the userinfo request; join it once, and before hooks that take the token out")
		}
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil || query.Has(param) {
			return fmt.Errorf("hooks: the userinfo URL has %.64q in its query already, or one that does not parse", param)
		}
		r.Header.Del("Authorization")
		r.URL.RawQuery, err = addParam(r.URL.RawQuery, param, token)
		return err
	}
	h := Hooks{UserInfoRequest: fix}
	if param == "" {
		return h.refusing(errors.New("hooks: InsecureTokenInQuery has an empty name; expected that of a parameter, usually \"access_token\""))
	}
	return h
}

// PostUserInfo returns Hooks for a provider whose userinfo endpoint wants a POST, with no
// body, instead of a GET, as Dropbox's does. OpenID Connect Core section 5.3.1 knows both.
func PostUserInfo() Hooks {
	return Hooks{UserInfoRequest: func(_ context.Context, r *http.Request) error {
		r.Method = http.MethodPost
		return nil
	}}
}

// JSONRequest returns Hooks for a provider that wants a JSON object where RFC 6749 has a
// form, as Notion and Atlassian do: token, refresh, revocation and introspection requests
// are sent as one, every value a string.
func JSONRequest() Hooks {
	fix := func(_ context.Context, r *Request) error {
		r.Header.Set("Content-Type", "application/json")
		return nil
	}
	return Hooks{TokenRequest: fix, RefreshRequest: fix, RevokeRequest: fix, IntrospectRequest: fix}
}

// ScopeSeparator returns Hooks for a provider that does not separate scopes by a space,
// as RFC 6749 section 3.3 has it, but by a comma or the like: Strava, Facebook, TikTok.
// The scopes asked for are joined by separator, and those granted are split at it. Where
// a response gives them as a JSON array, nothing is needed.
func ScopeSeparator(separator string) Hooks {
	h := answerFix(func(members object) (bool, error) {
		said, ok := members.text("scope")
		plain := splitScope(said, separator)
		if !ok || plain == said {
			return false, nil
		}
		members["scope"] = quoted(plain)
		return true, nil
	})
	h.RevokeResponse = nil
	h.Authorize = func(_ context.Context, a *Authorize) error {
		joinScope(a.Params, separator)
		return nil
	}
	h.TokenRequest = func(_ context.Context, r *Request) error {
		joinScope(r.Params, separator)
		return nil
	}
	h.RefreshRequest = h.TokenRequest
	return h.refusing(checkSeparator(separator))
}

func splitScope(scope, separator string) string {
	if separator != "" {
		scope = strings.ReplaceAll(scope, separator, " ")
	}
	return strings.Join(strings.Fields(scope), " ")
}

func joinScope(params url.Values, separator string) {
	if scope := params.Get("scope"); scope != "" {
		params.Set("scope", strings.Join(strings.Fields(scope), separator))
	}
}

// everyRequest returns Hooks for all requests that do not go through the browser.
func everyRequest(form func(*Request) error, web func(*http.Request) error) Hooks {
	post := func(_ context.Context, r *Request) error { return form(r) }
	get := func(_ context.Context, r *http.Request) error { return web(r) }
	return Hooks{
		TokenRequest: post, RefreshRequest: post, RevokeRequest: post, IntrospectRequest: post,
		UserInfoRequest: get, APIRequest: get,
	}
}

// addParam adds a parameter at the end of a query that has none of that name, and leaves
// the rest as it is written.
func addParam(query, name, value string) (string, error) {
	there, err := url.ParseQuery(query)
	switch {
	case err != nil:
		return query, errors.New("hooks: the query of a request does not parse")
	case there.Has(name):
		return query, nil
	}
	added := url.Values{name: {value}}.Encode()
	if query = strings.Trim(query, "&"); query != "" {
		added = query + "&" + added
	}
	return added, nil
}
