package providers

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/seed1a301047/signon"
)

// LoadJSON is [signon.LoadJSON] over the presets: an object whose name [ByName] knows
// begins as that preset, unless a provider of that name is among into.
//
//	[{"name": "github", "client_id": "Iv1.8a61f9b3a7aba766"},
//	 {"name": "corp", "issuer": "https://login.example.com", "client_id": "app", "scopes": ["openid"]}]
func LoadJSON(data []byte, into ...*signon.Provider) ([]*signon.Provider, error) {
	all := slices.Clone(into)
	for _, name := range namesIn(data) {
		given := slices.ContainsFunc(all, func(p *signon.Provider) bool { return p != nil && p.Name == name })
		if preset, ok := ByName(name); ok && !given {
			all = append(all, &preset)
		}
	}
	return signon.LoadJSON(data, all...)
}

// namesIn are the names of the objects in data; none where it is malformed, which
// signon.LoadJSON says better.
func namesIn(data []byte) []string {
	type named struct {
		Name string `json:"name"`
	}
	var list []named
	if data = bytes.TrimSpace(data); len(data) > 0 && data[0] == '{' {
		list = make([]named, 1)
		_ = json.Unmarshal(data, &list[0])
	} else {
		_ = json.Unmarshal(data, &list)
	}
	var names []string
	for _, n := range list {
		names = append(names, n.Name)
	}
	return names
}
