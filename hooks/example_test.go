package hooks_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/seed1a301047/signon/hooks"
)

// A provider wants an audience in the authorization request, and leaves token_type out of
// its answer.
func ExampleJoin() {
	audience := hooks.Hooks{
		Authorize: func(_ context.Context, a *hooks.Authorize) error {
			a.Params.Set("audience", "https://api.example.com")
			return nil
		},
	}
	h := hooks.Join(audience, hooks.DefaultTokenType("Bearer"))

	// Signon calls them; here we do.
	a := &hooks.Authorize{Provider: "example", Params: url.Values{"scope": {"profile"}}}
	r := &hooks.Response{Provider: "example", Status: 200, Body: []byte(`{"access_token":"abc"}`)}
	if err := h.Authorize(context.Background(), a); err != nil {
		fmt.Println(err)
	}
	if err := h.TokenResponse(context.Background(), r); err != nil {
		fmt.Println(err)
	}
	fmt.Println(a.Params.Encode())
	fmt.Println(string(r.Body))
	// Output:
	// audience=https%3A%2F%2Fapi.example.com&scope=profile
	// {"access_token":"abc","token_type":"Bearer"}
}

func ExampleFormTokenResponse() {
	h := hooks.FormTokenResponse()
	r := &hooks.Response{
		Status: 200,
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		Body:   []byte("access_token=abc&token_type=bearer"),
	}
	if err := h.TokenResponse(context.Background(), r); err != nil {
		fmt.Println(err)
	}
	fmt.Println(string(r.Body))
	// Output: {"access_token":"abc","token_type":"bearer"}
}

// What a hook sees does not print its secrets.
func ExampleRequest() {
	r := hooks.Request{
		Provider: "example", URL: "https://op.example/token",
		Header: http.Header{"Accept": {"application/json"}},
		Params: url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"8xLOxBtZp8"}},
	}
	fmt.Printf("%+v\n", r)
	// Output: hooks.Request{Provider: "example", URL: "https://op.example/token", Header: ["Accept"], Params: ["grant_type" "refresh_token"]}
}

// A provider answers with status 200 and an error code of its own, of which one means
// that the refresh token has expired.
func ExampleErrorMember() {
	h := hooks.Join(
		hooks.ErrorMember("errcode", "errmsg"),
		hooks.ErrorCodes(map[string]string{"40030": "invalid_grant"}),
	)
	r := &hooks.Response{Status: 200, Body: []byte(`{"errcode":40030,"errmsg":"refresh_token expired"}`)}
	if err := h.RefreshResponse(context.Background(), r); err != nil {
		fmt.Println(err)
	}
	fmt.Println(string(r.Body))
	// Output: {"errcode":40030,"errmsg":"refresh_token expired","error":"invalid_grant","error_description":"refresh_token expired"}
}

// A provider has names of its own for what OpenID Connect calls name and picture, and no
// address that it has verified.
func ExampleProfile() {
	h := hooks.Hooks{Profile: func(_ context.Context, p *hooks.Profile) error {
		var user struct { // names match to the letter, as they do not in encoding/json
			DisplayName string `json:"display_name"`
			AvatarURL   string `json:"avatar_url"`
		}
		if err := p.DecodeUserInfo(&user); err != nil {
			return err
		}
		p.Name, p.Picture, p.EmailVerified = user.DisplayName, user.AvatarURL, false
		return nil
	}}
	p := &hooks.Profile{UserInfo: []byte(`{"id":9007199254740993,"display_name":"Ada","avatar_url":"https://example.com/ada.png"}`)}
	if err := h.Profile(context.Background(), p); err != nil {
		fmt.Println(err)
	}
	fmt.Println(p.Name, p.Picture)
	// Output: Ada https://example.com/ada.png
}
