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
