package oidc_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/jose"
	"github.com/seed1a301047/signon/internal/oidc"
)

func TestParseUserInfo(t *testing.T) {
	mine := oidc.UserInfoOptions{Subject: subject}
	github := oidc.UserInfoOptions{SubjectClaim: "id"}
	plain := oidc.UserInfoOptions{}
	digits := strings.Repeat("9", 255)
	tests := []struct {
		name string
		body string
		o    oidc.UserInfoOptions
		want string // the subject; "": an error
	}{
		{"right", `{"sub":"248289761001","name":"Jane"}`, mine, subject},
		{"SubjectClaim is for plain OAuth", `{"sub":"248289761001","id":7}`, oidc.UserInfoOptions{Subject: subject, SubjectClaim: "id"}, subject},

		// UI-01
		{"sub differs", `{"sub":"mallory"}`, mine, ""},
		{"sub longer", `{"sub":"2482897610011"}`, mine, ""},
		{"sub missing", `{"name":"Jane"}`, mine, ""},
		{"sub number", `{"sub":248289761001}`, mine, ""},
		{"sub null", `{"sub":null}`, mine, ""},
		{"sub twice", `{"sub":"248289761001","sub":"248289761001"}`, mine, ""},
		{"sub in other case", `{"sub":"JANE"}`, oidc.UserInfoOptions{Subject: "jane"}, ""},
		{"SUB", `{"SUB":"248289761001"}`, mine, ""},
		{"SUB too", `{"sub":"248289761001","SUB":"mallory"}`, mine, ""},
		{"Email_Verified", `{"sub":"248289761001","Email_Verified":true}`, mine, ""},

		// UI-03
		{"array", `[{"sub":"248289761001"}]`, mine, ""},
		{"HTML", `<!doctype html><p>{"sub":"248289761001"}`, mine, ""},
		{"empty", ``, mine, ""},
		{"null", `null`, mine, ""},
		{"string", `"248289761001"`, mine, ""},
		{"truncated", `{"sub":"248289761001"`, mine, ""},
		{"two values", `{"sub":"248289761001"}{}`, mine, ""},
		{"invalid UTF-8", "{\"sub\":\"248289761001\",\"name\":\"\xff\"}", mine, ""},
		{"form", `sub=248289761001`, mine, ""},

		// UI-07
		{"id beyond 2^53", `{"id":9007199254740993}`, github, "9007199254740993"},
		{"id that floats print short", `{"id":12345678}`, github, "12345678"},
		{"id of many digits", `{"id":` + digits + `}`, github, digits},
		{"id string", `{"id":"octocat"}`, github, "octocat"},
		{"other names in any case", `{"id":1,"ID":2,"SUB":3,"Email":"x"}`, github, "1"},
		{"sub by default", `{"sub":"a"}`, plain, "a"},
		{"sub by default, a number", `{"sub":5}`, plain, "5"},
		{"id with an exponent", `{"id":1.2345678e+07}`, github, ""},
		{"id fraction", `{"id":1.0}`, github, ""},
		{"id negative", `{"id":-1}`, github, ""},
		{"id of too many digits", `{"id":9` + digits + `}`, github, ""},

		// UI-08
		{"id missing", `{"login":"octocat"}`, github, ""},
		{"id empty", `{"id":""}`, github, ""},
		{"id null", `{"id":null}`, github, ""},
		{"id false", `{"id":false}`, github, ""},
		{"id object", `{"id":{"id":1}}`, github, ""},
		{"id with a line break", `{"id":"a\nb"}`, github, ""},
		{"id twice", `{"id":1,"id":2}`, github, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			info, err := oidc.ParseUserInfo([]byte(test.body), test.o)
			if test.want == "" {
				require.ErrorIs(t, err, oidc.ErrUserInfo)
				require.Nil(t, info)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, info.Subject)
			require.Equal(t, test.body, string(info.Payload()))
			var all map[string]any
			require.NoError(t, info.Claims(&all))
			require.NotEmpty(t, all)
		})
	}
}

// UI-02
func TestVerifyUserInfoJWT(t *testing.T) {
	op, other := newProvider(t, "EdDSA"), newProvider(t, "EdDSA")
	now := time.Now().Unix()
	right := claims{"sub": subject, "iss": issuer, "aud": clientID, "name": "Jane"}
	secret := []byte("a client secret of 32 bytes, yes")
	hs256, err := jose.Sign("HS256", secret, nil, []byte(right.json(t)))
	require.NoError(t, err)
	unsigned := b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(right.json(t))) + "."
	tests := []struct {
		name string
		raw  string
		ok   bool
	}{
		{"right", op.sign(t, right), true},
		{"aud array", op.sign(t, right.with("aud", []string{clientID, "other"})), true},
		{"no iss, no aud", op.sign(t, right.with("iss", nothing).with("aud", nothing)), true},
		{"exp, nbf", op.sign(t, right.with("exp", now+60).with("nbf", now)), true},
		{"bad signature", flip(op.sign(t, right), len(op.sign(t, right))-20), false},
		{"key of somebody else", other.sign(t, right), false},
		{"none", unsigned, false},
		{"none with a signature", unsigned + "AA", false},
		{"HS256", hs256, false},
		{"unsigned JSON", right.json(t), false},
		{"empty", "", false},
		{"encrypted", b64([]byte(`{"alg":"RSA-OAEP","enc":"A256GCM"}`)) + ".AA.AA.AA.AA", false}, // ID-40
		{"wrong iss", op.sign(t, right.with("iss", "https://evil.example")), false},
		{"wrong aud", op.sign(t, right.with("aud", "other")), false},
		{"empty aud", op.sign(t, right.with("aud", []string{})), false},
		{"wrong sub", op.sign(t, right.with("sub", "mallory")), false},
		{"no sub", op.sign(t, right.with("sub", nothing)), false},
		{"expired", op.sign(t, right.with("exp", now-3600)), false},
		{"not yet", op.sign(t, right.with("nbf", now+3600)), false},
		{"logout token", op.sign(t, right.with("events", claims{})), false},
		{"typ at+jwt", op.signAs(t, map[string]any{"kid": "k1", "typ": "at+jwt"}, right.json(t)), false},
		{"Sub", op.sign(t, right.with("Sub", "mallory")), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			info, err := oidc.VerifyUserInfoJWT(t.Context(), test.raw, op, op.expect(), oidc.UserInfoOptions{Subject: subject})
			if !test.ok {
				require.ErrorIs(t, err, oidc.ErrUserInfo)
				require.Nil(t, info)
				return
			}
			require.NoError(t, err)
			require.Equal(t, subject, info.Subject)
			var c struct {
				Name string `json:"name"`
			}
			require.NoError(t, info.Claims(&c))
			require.Equal(t, "Jane", c.Name)
		})
	}
}

// ID-43
func TestVerifiedEmail(t *testing.T) {
	const jane = "jane@example.com"
	tests := []struct {
		name     string
		payload  string
		address  string
		verified bool
	}{
		{"verified", `{"email":"jane@example.com","email_verified":true}`, jane, true},
		{"false", `{"email":"jane@example.com","email_verified":false}`, jane, false},
		{"missing", `{"email":"jane@example.com"}`, jane, false},
		{`"true"`, `{"email":"jane@example.com","email_verified":"true"}`, jane, false},
		{`"false"`, `{"email":"jane@example.com","email_verified":"false"}`, jane, false},
		{"1", `{"email":"jane@example.com","email_verified":1}`, jane, false},
		{"0", `{"email":"jane@example.com","email_verified":0}`, jane, false},
		{"null", `{"email":"jane@example.com","email_verified":null}`, jane, false},
		{"array", `{"email":"jane@example.com","email_verified":[true]}`, jane, false},
		{"Email_Verified", `{"email":"jane@example.com","Email_Verified":true}`, jane, false},
		{"plus", `{"email":"jane+x@example.com","email_verified":true}`, "jane+x@example.com", true},

		{"no address", `{"email_verified":true}`, "", false},
		{"empty", `{"email":"","email_verified":true}`, "", false},
		{"number", `{"email":5,"email_verified":true}`, "", false},
		{"array of addresses", `{"email":["jane@example.com"],"email_verified":true}`, "", false},
		{"two @", `{"email":"a@evil@corp.com","email_verified":true}`, "", false},
		{"quoted @", `{"email":"\"a@evil\"@corp.com","email_verified":true}`, "", false},
		{"quoted", `{"email":"\"a b\"@corp.com","email_verified":true}`, "", false},
		{"full-width @", `{"email":"a＠corp.com","email_verified":true}`, "", false},
		{"full-width @ before an @", `{"email":"a＠evil.com@corp.com","email_verified":true}`, "", false},
		{"look-alike domain", `{"email":"jane@exаmple.com","email_verified":true}`, "", false},
		{"with a name", `{"email":"Jane <jane@example.com>","email_verified":true}`, "", false},
		{"in brackets", `{"email":"<jane@example.com>","email_verified":true}`, "", false},
		{"two addresses", `{"email":"a@x.com,b@corp.com","email_verified":true}`, "", false},
		{"comment", `{"email":"jane(x)@example.com","email_verified":true}`, "", false},
		{"space", `{"email":" jane@example.com","email_verified":true}`, "", false},
		{"line break", `{"email":"jane@example.com\nbcc:x","email_verified":true}`, "", false},
		{"NUL", `{"email":"jane@example.com\u0000","email_verified":true}`, "", false},
		{"no domain", `{"email":"jane@","email_verified":true}`, "", false},
		{"no local part", `{"email":"@example.com","email_verified":true}`, "", false},
		{"254 bytes", `{"email":"` + strings.Repeat("a", 248) + `@x.com","email_verified":true}`, strings.Repeat("a", 248) + "@x.com", true},
		{"255 bytes", `{"email":"` + strings.Repeat("a", 249) + `@x.com","email_verified":true}`, "", false},
		{"twice", `{"email":"jane@example.com","email":"a@x.com","email_verified":true}`, "", false},
		{"not an object", `[]`, "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			address, verified := oidc.VerifiedEmail([]byte(test.payload))
			require.Equal(t, test.address, address)
			require.Equal(t, test.verified, verified)
		})
	}
}
