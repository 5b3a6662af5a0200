package clientauth_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/clientauth"
)

// long is a secret that is long enough for every hash.
var long = strings.Repeat("long secret ", 6)

func request(id, secret string) *clientauth.Request {
	return &clientauth.Request{
		ClientID: id, Secret: secret, Issuer: "https://op.example", Endpoint: "https://op.example/token",
		Header: http.Header{}, Params: url.Values{"grant_type": {"authorization_code"}},
	}
}

// CA-01: id and secret are form-urlencoded, RFC 6749 section 2.3.1 and appendix B, before
// they are joined.
func TestBasicEncodes(t *testing.T) {
	for _, c := range []struct{ name, id, secret, want string }{
		{"RFC 6749 section 2.3.1", "s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw", "s6BhdRkqt3:7Fjfp0ZBr1KtDRbnfVdmIw"},
		{"RFC 6749 appendix B", "client", " %&+£€", "client:+%25%26%2B%C2%A3%E2%82%AC"},
		{"colon", "urn:client:1", "a:b", "urn%3Aclient%3A1:a%3Ab"},
		{"plus", "a+b", "c+d", "a%2Bb:c%2Bd"},
		{"percent", "100%", "%41", "100%25:%2541"},
		{"space", "my client", "my secret", "my+client:my+secret"},
		{"UTF-8", "klient-ż", "парол", "klient-%C5%BC:%D0%BF%D0%B0%D1%80%D0%BE%D0%BB"},
		{"not UTF-8", "c", "\xff", "c:%FF"},
		{"unreserved", "a-b.c_d~e", "A-Z0", "a-b.c_d~e:A-Z0"},
		{"line break", "c", "a\r\nb", "c:a%0D%0Ab"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(c.id, c.secret)
			require.NoError(t, clientauth.Basic{}.Authenticate(t.Context(), r))
			require.Equal(t, c.want, basic(t, r))
			require.Len(t, r.Params, 1, "Basic puts nothing into the form")

			id, secret, _ := strings.Cut(c.want, ":") // and a server that decodes gets back what we hold
			gotID, err := url.QueryUnescape(id)
			require.NoError(t, err)
			gotSecret, err := url.QueryUnescape(secret)
			require.NoError(t, err)
			require.Equal(t, []string{c.id, c.secret}, []string{gotID, gotSecret})
		})
	}
}

// CA-01: the encoding can be left out for a provider that does not decode.
func TestBasicRaw(t *testing.T) {
	r := request("my client", "p+s:s%")
	require.NoError(t, clientauth.BasicRaw{}.Authenticate(t.Context(), r))
	require.Equal(t, "my client:p+s:s%", basic(t, r))
	require.Len(t, r.Params, 1, "BasicRaw puts nothing into the form")
	require.Equal(t, clientauth.Basic{}.Name(), clientauth.BasicRaw{}.Name())

	border := request("a:b", "secret")
	require.Error(t, clientauth.BasicRaw{}.Authenticate(t.Context(), border))
	require.Empty(t, border.Header)
}

func TestPost(t *testing.T) {
	r := request("my client", "p+s:s%")
	require.NoError(t, clientauth.Post{}.Authenticate(t.Context(), r))
	require.Equal(t, "client_id=my+client&client_secret=p%2Bs%3As%25&grant_type=authorization_code", r.Params.Encode())
	require.Empty(t, r.Header)
}

func TestNone(t *testing.T) {
	r := request("public", "a secret that stays here")
	require.NoError(t, clientauth.None{}.Authenticate(t.Context(), r))
	require.Equal(t, "client_id=public&grant_type=authorization_code", r.Params.Encode())
	require.Empty(t, r.Header)
}

// CA-12: a method that needs a secret says so when the client is registered, and sends
// nothing without one.
func TestMissingCredentials(t *testing.T) {
	for _, c := range []struct {
		name   string
		method clientauth.Method
	}{
		{"basic", clientauth.Basic{}}, {"basic, raw", clientauth.BasicRaw{}}, {"post", clientauth.Post{}},
		{"secret JWT", clientauth.SecretJWT{}}, {"none", clientauth.None{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			anonymous := request("", long)
			require.Error(t, c.method.Authenticate(t.Context(), anonymous), "no client id")
			require.Len(t, anonymous.Params, 1)

			r := request("client", "")
			err := c.method.Authenticate(t.Context(), r)
			require.Equal(t, c.method.Name() == "none", err == nil, "no secret")
			require.Empty(t, r.Header)
			checker, ok := c.method.(clientauth.Checker)
			require.Equal(t, err != nil, ok)
			if ok {
				require.Error(t, checker.Check(t.Context(), r))
				require.NoError(t, checker.Check(t.Context(), request("client", long)))
			}
		})
	}
}

// CA-02: a name that is not known is an error, and never another method; neither is one
// for which a name is not enough.
func TestByName(t *testing.T) {
	for _, want := range []clientauth.Method{clientauth.Basic{}, clientauth.Post{}, clientauth.SecretJWT{}, clientauth.None{}} {
		got, err := clientauth.ByName(want.Name())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, name := range []string{
		"", "basic", "CLIENT_SECRET_BASIC", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth", strings.Repeat("x", 1e6),
	} {
		got, err := clientauth.ByName(name)
		require.Error(t, err)
		require.Nil(t, got)
		require.Less(t, len(err.Error()), 500)
	}
}

// LG-03: a request does not print its secret, nor what was made of it.
func TestRequestDoesNotPrint(t *testing.T) {
	r := request("client", "canary")
	require.NoError(t, clientauth.Basic{}.Authenticate(t.Context(), r))
	require.NoError(t, clientauth.Post{}.Authenticate(t.Context(), r))
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&out, verb, r)
		fmt.Fprintf(&out, verb, *r)
		fmt.Fprintf(&out, verb, struct{ R clientauth.Request }{*r})
	}
	b, err := json.Marshal(r)
	require.NoError(t, err)
	out.Write(b)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("sent", "request", r)
	slog.New(slog.NewTextHandler(&out, nil)).Info("sent", "request", *r)
	require.NotContains(t, out.String(), "canary")
	require.NotContains(t, out.String(), base64.StdEncoding.EncodeToString([]byte("client:canary")))
	require.Contains(t, out.String(), "https://op.example/token")
}

func basic(t *testing.T, r *clientauth.Request) string {
	t.Helper()
	encoded, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Basic ")
	require.True(t, ok)
	b, err := base64.StdEncoding.DecodeString(encoded)
	require.NoError(t, err)
	return string(b)
}
