package clientauth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/seed1a301047/signon/clientauth"
)

func ExampleByName() {
	method, err := clientauth.ByName("client_secret_post") // from a configuration file
	if err != nil {
		fmt.Println(err)
		return
	}
	r := &clientauth.Request{ClientID: "app", Secret: "s3cret", Header: http.Header{}, Params: url.Values{}}
	if err := method.Authenticate(context.Background(), r); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Params.Encode())
	// Output: client_id=app&client_secret=s3cret
}

// A gateway in front of the provider wants its own key besides the client's secret.
type gateway struct {
	clientauth.Basic
	key string
}

func (g gateway) Authenticate(ctx context.Context, r *clientauth.Request) error {
	r.Header.Set("X-Gateway-Key", g.key)
	return g.Basic.Authenticate(ctx, r)
}

func ExampleMethod() {
	var method clientauth.Method = gateway{key: "k1"}

	r := &clientauth.Request{ClientID: "app", Secret: "s3cret", Header: http.Header{}, Params: url.Values{}}
	if err := method.Authenticate(context.Background(), r); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(method.Name())
	fmt.Println(r.Header.Get("Authorization"))
	fmt.Println(r.Header.Get("X-Gateway-Key"))
	// Output:
	// client_secret_basic
	// Basic YXBwOnMzY3JldA==
	// k1
}
