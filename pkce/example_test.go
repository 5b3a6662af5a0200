package pkce_test

import (
	"fmt"
	"net/url"

	"github.com/seed1a301047/signon/pkce"
)

func Example() {
	verifier := pkce.NewVerifier()
	authorize := url.Values{
		"code_challenge":        {verifier.Challenge()},
		"code_challenge_method": {pkce.Method},
	}
	exchange := url.Values{"code_verifier": {string(verifier)}}

	fmt.Println(len(authorize.Get("code_challenge")), len(exchange.Get("code_verifier")))
	fmt.Println(verifier) // does not print
	// Output:
	// 43 43
	// [redacted]
}
