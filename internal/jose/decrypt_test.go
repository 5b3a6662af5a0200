package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	jwxjwk "github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/jose"
)

const frodo = "You can trust us to stick with you through thick and thin\u2013to the bitter end. " +
	"And you can trust us to keep any secret of yours\u2013closer than you keep it yourself. " +
	"But you cannot trust us to let you face trouble alone, and go off without a word. We are your friends, Frodo."

// encryptionVectors are the examples of RFC 7516, appendix A.1, and of RFC 7520, sections
// 5.4 and 5.5: tokens that nobody here has encrypted.
var encryptionVectors = []struct{ name, alg, key, token, plain string }{
	{
		"RFC 7516 A.1", "RSA-OAEP",
		`{"kty":"RSA","n":"oahUIoWw0K0usKNuOR6H4wkf4oBUXHTxRvgb48E-BVvxkeDNjbC4he8rUWcJoZmds2h7M70imEVhRU5djINXtqllXI4DFqcI1DgjT9LewND8MW2Krf3Spsk_ZkoFnilakGygTwpZ3uesH-PFABNIUYpOiN15dsQRkgr0vEhxN92i2asbOenSZeyaxziK72UwxrrKoExv6kc5twXTq4h-QChLOln0_mtUZwfsRaMStPs6mS6XrgxnxbWhojf663tuEQueGC-FCMfra36C9knDFGzKsNa7LZK2djYgyD3JR_MB_4NUJW_TqOQtwHYbxevoJArm-L5StowjzGy-_bq6Gw","e":"AQAB","d":"kLdtIj6GbDks_ApCSTYQtelcNttlKiOyPzMrXHeI-yk1F7-kpDxY4-WY5NWV5KntaEeXS1j82E375xxhWMHXyvjYecPT9fpwR_M9gV8n9Hrh2anTpTD93Dt62ypW3yDsJzBnTnrYu1iwWRgBKrEYY46qAZIrA2xAwnm2X7uGR1hghkqDp0Vqj3kbSCz1XyfCs6_LehBwtxHIyh8Ripy40p24moOAbgxVw3rxT_vlt3UVe4WO3JkJOzlpUf-KTVI2Ptgm-dARxTEtE-id-4OJr0h-K-VFs3VSndVTIznSxfyrj8ILL6MG_Uv8YAu7VILSB3lOW085-4qE3DzgrTjgyQ","p":"1r52Xk46c-LsfB5P442p7atdPUrxQSy4mti_tZI3Mgf2EuFVbUoDBvaRQ-SWxkbkmoEzL7JXroSBjSrK3YIQgYdMgyAEPTPjXv_hI2_1eTSPVZfzL0lffNn03IXqWF5MDFuoUYE0hzb2vhrlN_rKrbfDIwUbTrjjgieRbwC6Cl0","q":"wLb35x7hmQWZsWJmB_vle87ihgZ19S8lBEROLIsZG4ayZVe9Hi9gDVCOBmUDdaDYVTSNx_8Fyw1YYa9XGrGnDew00J28cRUoeBB_jKI1oma0Orv1T9aXIWxKwd4gvxFImOWr3QRL9KEBRzk2RatUBnmDZJTIAfwTs0g68UZHvtc","dp":"ZK-YwE7diUh0qR1tR7w8WHtolDx3MZ_OTowiFvgfeQ3SiresXjm9gZ5KLhMXvo-uz-KUJWDxS5pFQ_M0evdo1dKiRTjVw_x4NyqyXPM5nULPkcpU827rnpZzAJKpdhWAgqrXGKAECQH0Xt4taznjnd_zVpAmZZq60WPMBMfKcuE","dq":"Dq0gfgJ1DdFGXiLvQEZnuKEN0UUmsJBxkjydc3j4ZYdBiMRAy86x0vHCjywcMlYYg4yoC4YZa9hNVcsjqA3FeiL19rk8g6Qn29Tt0cj8qqyFpz9vNDBUfCAiJVeESOjJDZPYHdHY8v1b-o-Z2X5tvLx-TCekf7oxyeKDUqKWjis","qi":"VIMpMYbPf47dT1w_zDUXfPimsSegnMOA1zTaX7aGk_8urY6R8-ZW1FxU7AlWAyLWybqq6t16VFd7hQd0y6flUK4SlOydB61gwanOsXGOAOv82cHq0E3eL4HrtZkUuKvnPrMnsUUFlfUdybVzxyjz9JF_XyaY14ardLSjf4L_FNY"}`,
		"eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGeipsEdY3mx_etLbbWSrFr05kLzcSr4qKAq7YN7e9jwQRb23nfa6c9d-StnImGyFDbSv04uVuxIp5Zms1gNxKKK2Da14B8S4rzVRltdYwam_lDp5XnZAYpQdb76FdIKLaVmqgfwX7XWRxv2322i-vDxRfqNzo_tETKzpVLzfiwQyeyPGLBIO56YJ7eObdv0je81860ppamavo35UgoRdbYaBcoh9QcfylQr66oc6vFWXRcZ_ZT2LawVCWTIy3brGPi6UklfCpIMfIjf7iGdXKHzg.48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A.XFBoMYUZodetZdvTiFvSkQ",
		"The true sign of intelligence is not knowledge but imagination.",
	},
	{
		"RFC 7520 5.4", "ECDH-ES+A128KW",
		`{"kty":"EC","crv":"P-384","x":"YU4rRUzdmVqmRtWOs2OpDE_T5fsNIodcG8G5FWPrTPMyxpzsSOGaQLpe2FpxBmu2","y":"A8-yxCHxkfBz3hKZfI1jUYMjUhsEveZ9THuwFjH2sCNdtksRJU7D5-SkgaFL1ETP","d":"iTx2pk7wW-GqJkHcEkFQb2EFyYcO7RugmaW3mRrQVAOUiPommT0IdnYK2xDlZh-j"}`,
		"eyJhbGciOiJFQ0RILUVTK0ExMjhLVyIsImtpZCI6InBlcmVncmluLnRvb2tAdHVja2Jvcm91Z2guZXhhbXBsZSIsImVwayI6eyJrdHkiOiJFQyIsImNydiI6IlAtMzg0IiwieCI6InVCbzRrSFB3Nmtiang1bDB4b3dyZF9vWXpCbWF6LUdLRlp1NHhBRkZrYllpV2d1dEVLNml1RURzUTZ3TmROZzMiLCJ5Ijoic3AzcDVTR2haVkMyZmFYdW1JLWU5SlUyTW84S3BvWXJGRHI1eVBOVnRXNFBnRXdaT3lRVEEtSmRhWTh0YjdFMCJ9LCJlbmMiOiJBMTI4R0NNIn0.0DJjBXri_kBcC46IkU5_Jk9BqaQeHdv2.mH-G2zVqgztUtnW_.tkZuOO9h95OgHJmkkrfLBisku8rGf6nzVxhRM3sVOhXgz5NJ76oID7lpnAi_cPWJRCjSpAaUZ5dOR3Spy7QuEkmKx8-3RCMhSYMzsXaEwDdXta9Mn5B7cCBoJKB0IgEnj_qfo1hIi-uEkUpOZ8aLTZGHfpl05jMwbKkTe2yK3mjF6SBAsgicQDVCkcY9BLluzx1RmC3ORXaM0JaHPB93YcdSDGgpgBWMVrNU1ErkjcMqMoT_wtCex3w03XdLkjXIuEr2hWgeP-nkUZTPU9EoGSPj6fAS-bSz87RCPrxZdj_iVyC6QWcqAu07WNhjzJEPc4jVntRJ6K53NgPQ5p99l3Z408OUqj4ioYezbS6vTPlQ.WuGzxmcreYjpHGJoa17EBg",
		frodo,
	},
	{
		"RFC 7520 5.5", "ECDH-ES",
		`{"kty":"EC","crv":"P-256","x":"Ze2loSV3wrroKUN_4zhwGhCqo3Xhu1td4QjeQ5wIVR0","y":"HlLtdXARY_f55A3fnzQbPcm6hgr34Mp8p-nuzQCE0Zw","d":"r_kHyZ-a06rmxM3yESK84r1otSg-aQcVStkRhA-iCM8"}`,
		"eyJhbGciOiJFQ0RILUVTIiwia2lkIjoibWVyaWFkb2MuYnJhbmR5YnVja0BidWNrbGFuZC5leGFtcGxlIiwiZXBrIjp7Imt0eSI6IkVDIiwiY3J2IjoiUC0yNTYiLCJ4IjoibVBVS1RfYkFXR0hJaGcwVHBqanFWc1AxclhXUXVfdndWT0hIdE5rZFlvQSIsInkiOiI4QlFBc0ltR2VBUzQ2ZnlXdzVNaFlmR1RUMElqQnBGdzJTUzM0RHY0SXJzIn0sImVuYyI6IkExMjhDQkMtSFMyNTYifQ..yc9N8v5sYyv3iGQT926IUg.BoDlwPnTypYq-ivjmQvAYJLb5Q6l-F3LIgQomlz87yW4OPKbWE1zSTEFjDfhU9IPIOSA9Bml4m7iDFwA-1ZXvHteLDtw4R1XRGMEsDIqAYtskTTmzmzNa-_q4F_evAPUmwlO-ZG45Mnq4uhM1fm_D9rBtWolqZSF3xGNNkpOMQKF1Cl8i8wjzRli7-IXgyirlKQsbhhqRzkv8IcY6aHl24j03C-AR2le1r7URUhArM79BY8soZU0lzwI-sD5PZ3l4NDCCei9XkoIAfsXJWmySPoeRb2Ni5UZL4mYpvKDiwmyzGd65KqVw7MsFfI_K767G9C9Azp73gKZD0DyUn1mn0WW5LmyX_yJ-3AROq8p1WZBfG-ZyJ6195_JGG2m9Csg.WCCkNa-x4BeB9hIDIfFuhg",
		frodo,
	},
}

func privateKey(tb testing.TB, data string) crypto.PrivateKey {
	tb.Helper()
	var key any
	parsed, err := jwxjwk.ParseKey([]byte(data))
	require.NoError(tb, err)
	require.NoError(tb, jwxjwk.Export(parsed, &key))
	return key
}

func newDecrypter(tb testing.TB, alg string, keys ...jose.DecryptionKey) *jose.Decrypter {
	tb.Helper()
	d, err := jose.NewDecrypter(alg, keys)
	require.NoError(tb, err)
	return d
}

func TestDecryptVectors(t *testing.T) {
	for _, test := range encryptionVectors {
		t.Run(test.name, func(t *testing.T) {
			d := newDecrypter(t, test.alg, jose.DecryptionKey{Private: privateKey(t, test.key)})
			plain, cty, err := d.Decrypt(test.token)
			require.NoError(t, err)
			require.Equal(t, test.plain, string(plain))
			require.Empty(t, cty)
		})
	}
}

var contentAlgs = []string{"A128GCM", "A192GCM", "A256GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512"}

// ID-40: what was encrypted is what comes out, by every pair of algorithms, on every
// curve, around every length of a block.
func TestDecrypt(t *testing.T) {
	keys := []crypto.Signer{newRSA(t, 2048), newEC(t, elliptic.P256()), newEC(t, elliptic.P384()), newEC(t, elliptic.P521())}
	for _, alg := range jose.EncryptionAlgs() {
		for _, key := range keys {
			own := jose.DecryptionKey{ID: "k1", Private: key}
			if ok, err := own.Fits(alg); err != nil || !ok {
				continue
			}
			d := newDecrypter(t, alg, own)
			require.Equal(t, alg, d.Alg())
			for _, enc := range contentAlgs {
				for _, size := range []int{1, 15, 16, 17, 1000} {
					want := strings.Repeat("x", size)
					token, err := jose.Encrypt(alg, enc, key.Public(), map[string]any{"kid": "k1", "cty": "JWT"}, []byte(want))
					require.NoError(t, err)
					require.True(t, jose.IsEncrypted(token))
					plain, cty, err := d.Decrypt(token)
					require.NoError(t, err, "%s %s %d", alg, enc, size)
					require.Equal(t, want, string(plain))
					require.Equal(t, "JWT", cty)
				}
			}
		}
	}
}

// ID-40: an error says the same whatever is wrong with the key, the content or the tag,
// and no bit of a token is free.
func TestDecryptTampered(t *testing.T) {
	rsaKey, ecKey := newRSA(t, 2048), newEC(t, elliptic.P256())
	for _, alg := range jose.EncryptionAlgs() {
		key := crypto.Signer(rsaKey)
		if strings.HasPrefix(alg, "ECDH") {
			key = ecKey
		}
		d := newDecrypter(t, alg, jose.DecryptionKey{Private: key})
		for _, enc := range contentAlgs {
			token, err := jose.Encrypt(alg, enc, key.Public(), nil, []byte("some text"))
			require.NoError(t, err)
			segments := strings.Split(token, ".")
			for i, name := range []string{"", "key", "iv", "ciphertext", "tag"} {
				if i == 0 || segments[i] == "" {
					continue
				}
				changed := append([]string(nil), segments...)
				c := byte('A')
				if changed[i][0] == c {
					c = 'B'
				}
				changed[i] = string(c) + changed[i][1:]
				_, _, err := d.Decrypt(strings.Join(changed, "."))
				require.Equal(t, jose.ErrDecrypt, err, "%s %s %s", alg, enc, name)
			}
		}
	}
	for name, other := range map[string]string{
		"to another key":  encryptTo(t, newRSA(t, 2048), nil),
		"a short key":     "key of 8 bytes",
		"of another size": encryptTo(t, newRSA(t, 3072), nil),
	} {
		if name == "a short key" {
			parts := strings.Split(encryptTo(t, rsaKey, nil), ".")
			parts[1] = "AAAAAAAAAAA"
			other = strings.Join(parts, ".")
		}
		_, _, err := newDecrypter(t, "RSA-OAEP", jose.DecryptionKey{Private: rsaKey}).Decrypt(other)
		require.Equal(t, jose.ErrDecrypt, err, name)
	}
}

func encryptTo(tb testing.TB, key crypto.Signer, header map[string]any) string {
	tb.Helper()
	alg := "RSA-OAEP"
	if _, ok := key.(*ecdsa.PrivateKey); ok {
		alg = "ECDH-ES+A256KW"
	}
	token, err := jose.Encrypt(alg, "A256GCM", key.Public(), header, []byte("some text"))
	require.NoError(tb, err)
	return token
}

// withHeader replaces members of the header of a token that is never authenticated, for
// it is refused before.
func withHeader(tb testing.TB, token string, members map[string]any) string {
	tb.Helper()
	header, rest, _ := strings.Cut(token, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(header)
	require.NoError(tb, err)
	all := map[string]any{}
	require.NoError(tb, json.Unmarshal(decoded, &all))
	maps.Copy(all, members)
	data, err := json.Marshal(all)
	require.NoError(tb, err)
	return b64(data) + "." + rest
}

// ID-40: what is refused before any key is touched.
func TestDecryptRefused(t *testing.T) {
	rsaKey, ecKey := newRSA(t, 2048), newEC(t, elliptic.P256())
	byRSA, byEC := encryptTo(t, rsaKey, nil), encryptTo(t, ecKey, nil)
	header := func(name string, value any) string { return withHeader(t, byRSA, map[string]any{name: value}) }
	epk := func(members map[string]any) string {
		other := newEC(t, elliptic.P256())
		public := map[string]any(publicJWK(t, &other.PublicKey, "", ""))
		maps.Copy(public, members)
		return withHeader(t, byEC, map[string]any{"epk": public})
	}
	decrypters := []*jose.Decrypter{
		newDecrypter(t, "RSA-OAEP", jose.DecryptionKey{Private: rsaKey}),
		newDecrypter(t, "ECDH-ES+A256KW", jose.DecryptionKey{Private: ecKey}),
	}
	p := strings.Split(byRSA, ".")
	for name, token := range map[string]string{
		"RSA1_5":               header("alg", "RSA1_5"),
		"dir":                  header("alg", "dir"),
		"PBES2":                withHeader(t, byRSA, map[string]any{"alg": "PBES2-HS256+A128KW", "p2c": 1 << 31, "p2s": "AAAAAAAAAAA"}),
		"p2c":                  header("p2c", 1<<31),
		"A256KW":               header("alg", "A256KW"),
		"A256GCMKW":            header("alg", "A256GCMKW"),
		"another algorithm":    header("alg", "RSA-OAEP-256"),
		"no alg":               header("alg", nil),
		"alg a number":         header("alg", 5),
		"ECDH-ES":              header("alg", "ECDH-ES"),
		"enc unknown":          header("enc", "XC20P"),
		"no enc":               header("enc", nil),
		"another enc":          header("enc", "A256CBC-HS512"),
		"zip":                  header("zip", "DEF"),
		"crit":                 header("crit", []string{"exp"}),
		"b64":                  header("b64", false),
		"kid a number":         header("kid", 1),
		"cty a number":         header("cty", 1),
		"a variant of alg":     header("ALG", "RSA-OAEP"),
		"empty key":            p[0] + ".." + p[2] + "." + p[3] + "." + p[4],
		"empty iv":             p[0] + "." + p[1] + ".." + p[3] + "." + p[4],
		"empty content":        p[0] + "." + p[1] + "." + p[2] + ".." + p[4],
		"empty tag":            p[0] + "." + p[1] + "." + p[2] + "." + p[3] + ".",
		"short tag":            byRSA[:len(byRSA)-6],
		"bytes moved":          p[0] + "." + p[1] + "." + p[2] + "." + p[3][:4] + "." + p[3][4:] + p[4],
		"long iv":              p[0] + "." + p[1] + "." + p[2] + "AAAA." + p[3] + "." + p[4],
		"four segments":        strings.Join(p[:4], "."),
		"six segments":         byRSA + ".AA",
		"signed":               p[0] + "." + p[3] + "." + p[4],
		"padding":              byRSA + "=",
		"line feed":            byRSA[:len(byRSA)-3] + "\n" + byRSA[len(byRSA)-3:],
		"JSON":                 `{"protected":"` + p[0] + `"}`,
		"empty":                "",
		"too long":             p[0] + "." + p[1] + "." + p[2] + "." + strings.Repeat("AAAA", jose.MaxCompact/4) + "." + p[4],
		"header not an object": b64([]byte(`[]`)) + byRSA[len(p[0]):],
		"alg twice":            b64([]byte(`{"alg":"RSA-OAEP","alg":"RSA-OAEP","enc":"A256GCM"}`)) + byRSA[len(p[0]):],

		"no epk":               withHeader(t, byEC, map[string]any{"epk": nil}),
		"epk a text":           withHeader(t, byEC, map[string]any{"epk": "AAAA"}),
		"epk private":          epk(map[string]any{"d": "AAAA"}),
		"epk of RSA":           epk(map[string]any{"kty": "RSA"}),
		"epk off the curve":    epk(map[string]any{"x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))}),
		"epk on another curve": epk(map[string]any{"crv": "P-384"}),
		"epk on no curve":      epk(map[string]any{"crv": "secp256k1"}),
		"epk short":            epk(map[string]any{"x": b64(make([]byte, 31))}),
		"epk with line feed":   epk(map[string]any{"x": "AA\nAA"}),
		"epk with twice a crv": withHeader(t, byEC, map[string]any{"epk": json.RawMessage(`{"kty":"EC","crv":"P-256","crv":"P-256"}`)}),
		"apu padded":           withHeader(t, byEC, map[string]any{"apu": "AA=="}),
		"apv a number":         withHeader(t, byEC, map[string]any{"apv": 5}),
	} {
		t.Run(name, func(t *testing.T) {
			for _, d := range decrypters {
				plain, _, err := d.Decrypt(token)
				require.Error(t, err)
				require.NotErrorIs(t, err, jose.ErrDecrypt, "a key was tried")
				require.Nil(t, plain)
			}
		})
	}
}

// ID-40: a token of megabytes costs nothing.
func TestDecryptLimit(t *testing.T) {
	d := newDecrypter(t, "RSA-OAEP", jose.DecryptionKey{Private: newRSA(t, 2048)})
	huge := strings.Repeat("A", 5<<20) + strings.Repeat(".A", 1<<20)
	allocated := testing.AllocsPerRun(10, func() { _, _, _ = d.Decrypt(huge) })
	require.Less(t, allocated, 6.0)
	require.False(t, jose.IsEncrypted(huge))
}

func TestDecryptChoosesTheKey(t *testing.T) {
	first, second, third := newRSA(t, 2048), newRSA(t, 2048), newRSA(t, 2048)
	named := []jose.DecryptionKey{{ID: "1", Private: first}, {ID: "2", Private: second}, {ID: "ec", Private: newEC(t, elliptic.P256())}}
	nameless := []jose.DecryptionKey{{ID: "1", Private: first}, {Private: second}, {Private: third}}
	for _, test := range []struct {
		name string
		keys []jose.DecryptionKey
		to   *rsa.PrivateKey
		kid  any
		ok   bool
	}{
		{"by its name", named, second, "2", true},
		{"by another's name", named, second, "1", false},
		{"by an unknown name", named, second, "3", false},
		{"without a name", named, second, nil, true},
		{"nameless, without a name", nameless, third, nil, true},
		{"nameless, by an unknown name", nameless, third, "3", true},
		{"named, by an unknown name", nameless, first, "3", false},
		{"nameless, by another's name", nameless, third, "1", false},
		{"not here", named, third, nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			header := map[string]any{}
			if test.kid != nil {
				header["kid"] = test.kid
			}
			_, _, err := newDecrypter(t, "RSA-OAEP", test.keys...).Decrypt(encryptTo(t, test.to, header))
			if test.ok {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, jose.ErrDecrypt)
			tried := test.name != "by an unknown name" // of which both are said, and are no secrets
			require.Equal(t, tried, err == jose.ErrDecrypt)
			require.Equal(t, !tried, strings.Contains(err.Error(), `"3"`) && strings.Contains(err.Error(), `"1"`))
		})
	}
}

func TestNewDecrypterRefuses(t *testing.T) {
	good := newRSA(t, 2048)
	bad := *good
	bad.Primes = good.Primes[:1]
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	halves, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	halves.PublicKey = other.PublicKey
	for name, test := range map[string]struct {
		alg  string
		keys []jose.DecryptionKey
	}{
		"no alg":       {"", []jose.DecryptionKey{{Private: good}}},
		"RSA1_5":       {"RSA1_5", []jose.DecryptionKey{{Private: good}}},
		"no key":       {"RSA-OAEP", nil},
		"nil":          {"RSA-OAEP", []jose.DecryptionKey{{}}},
		"nil of RSA":   {"RSA-OAEP", []jose.DecryptionKey{{Private: (*rsa.PrivateKey)(nil)}}},
		"zero of RSA":  {"RSA-OAEP", []jose.DecryptionKey{{Private: new(rsa.PrivateKey)}}},
		"nil of ECDSA": {"ECDH-ES", []jose.DecryptionKey{{Private: (*ecdsa.PrivateKey)(nil)}}},
		"zero of EC":   {"ECDH-ES", []jose.DecryptionKey{{Private: new(ecdsa.PrivateKey)}}},
		"short RSA":    {"RSA-OAEP", []jose.DecryptionKey{{Private: newRSA(t, 1024)}}},
		"broken RSA":   {"RSA-OAEP", []jose.DecryptionKey{{Private: &bad}}},
		"two halves":   {"ECDH-ES", []jose.DecryptionKey{{Private: halves}}},
		"P-224":        {"ECDH-ES", []jose.DecryptionKey{{Private: p224}}},
		"Ed25519":      {"ECDH-ES", []jose.DecryptionKey{{Private: newEd25519(t)}}},
		"by value":     {"RSA-OAEP", []jose.DecryptionKey{{Private: bad}}},
		"a secret":     {"RSA-OAEP", []jose.DecryptionKey{{Private: []byte("secret")}}},
		"public":       {"RSA-OAEP", []jose.DecryptionKey{{Private: &good.PublicKey}}},
		"another kind": {"ECDH-ES", []jose.DecryptionKey{{Private: good}}},
		"five keys":    {"RSA-OAEP", []jose.DecryptionKey{{Private: good}, {Private: good}, {Private: good}, {Private: good}, {Private: good}}},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := jose.NewDecrypter(test.alg, test.keys)
			require.Error(t, err)
			require.NotNil(t, err)
			require.Nil(t, d)
		})
	}
}

// The application may do with its key what it likes.
func TestDecrypterCopiesItsKeys(t *testing.T) {
	key := newRSA(t, 2048)
	token := encryptTo(t, key, nil)
	d := newDecrypter(t, "RSA-OAEP", jose.DecryptionKey{Private: key})
	key.D.SetInt64(3)
	for _, p := range key.Primes {
		p.SetInt64(7)
	}
	key.Precomputed = rsa.PrecomputedValues{}
	_, _, err := d.Decrypt(token)
	require.NoError(t, err)
}

func TestEncryptRefuses(t *testing.T) {
	rsaKey, ecKey := newRSA(t, 2048), newEC(t, elliptic.P256())
	for name, test := range map[string]struct {
		alg, enc string
		key      crypto.PublicKey
	}{
		"alg":            {"RSA1_5", "A256GCM", &rsaKey.PublicKey},
		"enc":            {"RSA-OAEP", "A256", &rsaKey.PublicKey},
		"RSA for ECDH":   {"ECDH-ES", "A256GCM", &rsaKey.PublicKey},
		"EC for RSA":     {"RSA-OAEP", "A256GCM", &ecKey.PublicKey},
		"a private key":  {"RSA-OAEP", "A256GCM", rsaKey},
		"another public": {"ECDH-ES", "A256GCM", newEd25519(t).Public()},
	} {
		_, err := jose.Encrypt(test.alg, test.enc, test.key, nil, []byte("x"))
		require.Error(t, err, name)
	}
}

func TestPublicEncryptionJWK(t *testing.T) {
	key := newEC(t, elliptic.P384())
	data, err := jose.PublicEncryptionJWK(jose.DecryptionKey{ID: "k", Private: key}, "ECDH-ES")
	require.NoError(t, err)
	var members map[string]any
	require.NoError(t, json.Unmarshal(data, &members))
	require.Equal(t, "enc", members["use"])
	require.Equal(t, "k", members["kid"])
	require.Equal(t, "ECDH-ES", members["alg"])
	require.NotContains(t, members, "d")
	_, err = jose.PublicEncryptionJWK(jose.DecryptionKey{Private: newEd25519(t)}, "")
	require.Error(t, err)
}

// FuzzDecrypt demands that nothing decrypts but the tokens themselves: no bit of them is
// free, and no token has two spellings.
func FuzzDecrypt(f *testing.F) {
	var list []*jose.Decrypter
	known := map[string]bool{}
	for _, v := range encryptionVectors {
		list = append(list, newDecrypter(f, v.alg, jose.DecryptionKey{Private: privateKey(f, v.key)}))
		known[v.token] = true
		f.Add(v.token)
	}
	f.Add("a.b.c.d.e")
	f.Add(b64([]byte(`{"alg":"ECDH-ES","enc":"A128GCM","epk":{"kty":"EC","crv":"P-256","x":"","y":""}}`)) + "..AA.AA.AA")
	f.Add(b64([]byte(`{"alg":"RSA-OAEP","enc":"A128GCM","zip":"DEF"}`)) + ".AA.AA.AA.AA")
	f.Fuzz(func(t *testing.T, token string) {
		for _, d := range list {
			if _, _, err := d.Decrypt(token); err == nil {
				require.True(t, known[token])
			}
		}
	})
}
