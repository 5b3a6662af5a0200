package jose_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/jose"
)

func TestMembers(t *testing.T) {
	type member struct {
		name  string
		value jose.Value
	}
	var got []member
	err := jose.Members([]byte(` {"a": "x\n", "b\u0062" :[1, 2], "":{"a":{}},"é":-0}`), func(name string, value jose.Value) error {
		got = append(got, member{name, value})
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []member{{"a", `"x\n"`}, {"bb", `[1, 2]`}, {"", `{"a":{}}`}, {"é", `-0`}}, got)

	stop := errors.New("stop")
	var calls int
	err = jose.Members([]byte(`{"a":1,"b":2}`), func(string, jose.Value) error { calls++; return stop })
	require.ErrorIs(t, err, stop)
	require.Equal(t, 1, calls)

	for _, data := range []string{
		``, `null`, `[]`, `"x"`, `1`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,}`, `{"a":1}{}`, `{1:1}`,
		`{"a":1,"a":1}`, `{"a":1,"\u0061":1}`, `{"a":{"b":1,"b":1}}`, "{\"a\":\"\xff\"}", `{"a":"\ud800"}`,
	} {
		t.Run(data, func(t *testing.T) {
			require.Error(t, jose.Members([]byte(data), func(string, jose.Value) error { return nil }))
		})
	}
}

func TestValue(t *testing.T) {
	tests := []struct {
		value  jose.Value
		text   any // string, or nil for none
		texts  any // []string, or nil
		digits any // string, or nil
	}{
		{`"a"`, "a", nil, nil},
		{`""`, "", nil, nil},
		{`"\u0061\"\\"`, `a"\`, nil, nil},
		{`["a","\u0062"]`, nil, []string{"a", "b"}, nil},
		{`[]`, nil, []string{}, nil},
		{`["a",1]`, nil, nil, nil},
		{`[["a"]]`, nil, nil, nil},
		{`10`, nil, nil, "10"},
		{`1.50`, nil, nil, "1.50"},
		{`-1`, nil, nil, nil},
		{`null`, nil, nil, nil},
		{`true`, nil, nil, nil},
		{`{"a":"a"}`, nil, nil, nil},
	}
	for _, test := range tests {
		t.Run(string(test.value), func(t *testing.T) {
			text, ok := test.value.Text()
			require.Equal(t, test.text != nil, ok)
			if ok {
				require.Equal(t, test.text, text)
			}
			texts, ok := test.value.Texts()
			require.Equal(t, test.texts != nil, ok)
			if ok {
				require.Equal(t, test.texts, texts)
			}
			digits, ok := test.value.Digits()
			require.Equal(t, test.digits != nil, ok)
			if ok {
				require.Equal(t, test.digits, digits)
			}
			require.Equal(t, test.value == "true", test.value.True())
		})
	}
}

// ID-22
func TestFoldsTo(t *testing.T) {
	names := []string{"sub", "kid", "auth_time"}
	for name, want := range map[string]string{
		"sub": "", "SUB": "sub", "Sub": "sub", "\u017fub": "sub", "\u017fUB": "sub", "\u212aid": "kid",
		"AUTH_TIME": "auth_time", "subs": "", "Subs": "", "ſ": "", "": "",
		"auth-time": "", "authTime": "", "sübs": "",
	} {
		got, ok := jose.FoldsTo(name, names)
		require.Equal(t, want, got, name)
		require.Equal(t, want != "", ok, name)
	}
}
