package providers_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/providers"
)

func TestLoadJSON(t *testing.T) {
	mine := providers.GitLab()
	mine.Scopes = []string{"openid"}
	all, err := providers.LoadJSON([]byte(`[
		{"name": "github", "client_id": "one", "scopes": ["repo"]},
		{"name": "gitlab", "client_id": "two"},
		{"name": "corp", "issuer": "https://login.example.com", "client_id": "three"}
	]`), &mine)
	require.NoError(t, err)
	byName := map[string]*signon.Provider{}
	for _, p := range all {
		byName[p.Name] = p
	}
	require.Len(t, byName, 3)
	require.Equal(t, "https://github.com/login/oauth/access_token", byName["github"].Endpoint.TokenURL)
	require.Equal(t, []string{"repo"}, byName["github"].Scopes)
	require.NotNil(t, byName["github"].Hooks.Profile)
	require.Same(t, &mine, byName["gitlab"])
	require.Equal(t, []string{"openid"}, mine.Scopes)
	require.Equal(t, "two", mine.ClientID)
	require.Equal(t, "https://login.example.com", byName["corp"].Issuer)

	one, err := providers.LoadJSON([]byte(`{"name": "google", "client_id": "app"}`))
	require.NoError(t, err)
	require.Equal(t, "https://accounts.google.com", one[0].Issuer)
}

// CF-07: what is wrong is said as without presets.
func TestLoadJSONRefused(t *testing.T) {
	for _, text := range []string{
		``, `null`, `[`, `{"name": 1}`, `[{"name": "github", "clientid": "x"}]`,
		`[{"name": "github"}, {"name": "github"}]`, `{"providers": []}`,
	} {
		_, err := providers.LoadJSON([]byte(text))
		require.Error(t, err, text)
	}
}
