// Package logout writes the request by which an application has a provider sign its
// user out too: OpenID Connect RP-Initiated Logout 1.0.
//
//	request := logout.Request{
//		Endpoint:              "https://login.example.com/logout",
//		IDTokenHint:           idToken,
//		ClientID:              "app",
//		PostLogoutRedirectURI: "https://app.example.com/signed-out",
//		State:                 state,
//	}
//	where, err := request.URL()
//
// The handlers of package signon do all of this, and keep the ID token and the state for
// it; this package is for whoever sends the browser off in another way.
package logout

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// MaxURL is how long a logout URL may be, in bytes, for every browser, proxy and server
// on its way: a longer one is better sent as a form. It is below the 2,083 characters
// that some of them stop at.
const MaxURL = 2000

// A Request is one logout request, as section 2 has it. What is empty is not sent.
type Request struct {
	// Endpoint is the provider's end_session_endpoint. A query that it has is kept.
	// Required.
	Endpoint string

	// IDTokenHint is the ID token of the login that ends; one that has expired does. It
	// is signed, and not encrypted.
	IDTokenHint string

	// ClientID is the application's client identifier. It must be the one that the ID
	// token was issued to, where both are sent.
	ClientID string

	// PostLogoutRedirectURI is where the provider sends the browser afterwards: one that is
	// registered there, to the letter.
	PostLogoutRedirectURI string

	// State comes back with the browser, and is sent only with a PostLogoutRedirectURI.
	State string

	// LogoutHint tells the provider who signs out, in a form of its own; often it is the
	// sid, or what was login_hint.
	LogoutHint string

	// UILocales are the languages of the provider's pages, as BCP 47 tags with spaces
	// between them, most wanted first.
	UILocales string

	// Extra are parameters that the provider has besides. They cannot set one that has a
	// field. Nor can one be named submit: a script's form.submit() would be that field of a
	// form.
	Extra url.Values
}

var errEndpoint = errors.New("logout: the endpoint is no absolute http or https URL without a fragment")

var errSubmit = errors.New("logout: Extra has \"submit\", with which no script can send a form; put it into the endpoint's query")

// URL is where to send the browser by a redirect. An error says that the endpoint is no
// URL, that its query has a parameter of the request already, or that Extra has.
func (r Request) URL() (string, error) {
	action, fields, err := r.Form()
	if err != nil || len(fields) == 0 {
		return action, err
	}
	base, query, _ := strings.Cut(action, "?")
	if query = strings.Trim(query, "&"); query != "" {
		query += "&"
	}
	return base + "?" + query + fields.Encode(), nil
}

// Form is the same request for a browser to POST: the action and the fields of the form,
// which section 2 has every provider take. The errors are those of [Request.URL].
func (r Request) Form() (action string, fields url.Values, err error) {
	u, err := url.Parse(r.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Contains(r.Endpoint, "#") {
		return "", nil, errEndpoint
	}
	fields = url.Values{}
	own := r.own()
	for name, values := range r.Extra {
		if _, taken := own[name]; taken {
			return "", nil, fmt.Errorf("logout: Extra has %q, which has a field of its own; set that", name)
		}
		if name == "submit" {
			return "", nil, errSubmit
		}
		fields[name] = slices.Clone(values)
	}
	maps.DeleteFunc(own, func(_, value string) bool { return value == "" })
	for name, value := range own {
		fields.Set(name, value)
	}
	given, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", nil, errEndpoint
	}
	for name := range given {
		if fields.Has(name) { // each at most once, as OAuth has it (RFC 6749 section 3.1)
			return "", nil, fmt.Errorf("logout: the endpoint's query has %q, which the request sets; remove it there", name)
		}
	}
	return r.Endpoint, fields, nil
}

// own are the parameters that have a field.
func (r Request) own() map[string]string {
	state := r.State
	if r.PostLogoutRedirectURI == "" {
		state = ""
	}
	return map[string]string{
		"id_token_hint": r.IDTokenHint, "client_id": r.ClientID,
		"post_logout_redirect_uri": r.PostLogoutRedirectURI, "state": state,
		"logout_hint": r.LogoutHint, "ui_locales": r.UILocales,
	}
}
