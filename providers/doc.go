// Package providers has ready-made settings for well-known providers: each function returns
// a [signon.Provider] that lacks nothing but what the application was given when it was
// registered there.
//
//	p := providers.GitHub()
//	p.ClientID, p.ClientSecret = os.Getenv("GITHUB_CLIENT_ID"), signon.Secret(os.Getenv("GITHUB_CLIENT_SECRET"))
//	github, err := auth.Register(p)
//
// The value is the caller's own, and every field of it may be changed before it is
// registered. Where a provider is bent, its Hooks mend it; to add some, join them:
//
//	p.Hooks = hooks.Join(p.Hooks, hooks.Hooks{APIRequest: trace})
//
// # What is in them
//
// Each was written from the provider's own documentation, whose pages its comment names,
// and says what to register there, what the scopes bring, what is bent, who the subject is,
// what a verified e-mail address means there, and how refresh tokens come.
//
// [signon.Login.Identity] gives the same answer for all: who it is, and what they are
// called. EmailVerified is true only where the provider says so by JSON's true, or by what
// its documentation gives as the equal of that.
//
// # Arguments
//
// Some providers are many: a tenant, a domain, a region is then an argument. One that
// cannot be right is an error of [signon.Registry.Register], which names it. [ByName] has
// those that take none.
package providers

import "github.com/seed1a301047/signon"

// A preset is a provider without arguments, by the name it has.
type preset struct {
	name string
	make func() signon.Provider
}

// presets are in the order of their names.
func presets() []preset {
	return []preset{
		{"amazon", Amazon}, {"atlassian", Atlassian}, {"bitbucket", Bitbucket}, {"discord", Discord},
		{"dropbox", Dropbox}, {"facebook", Facebook}, {"github", GitHub}, {"gitlab", GitLab},
		{"google", Google}, {"kakao", Kakao}, {"line", LINE}, {"linkedin", LinkedIn},
		{"notion", Notion}, {"orcid", ORCID}, {"paypal", PayPal}, {"slack", Slack},
		{"spotify", Spotify}, {"stackexchange", StackExchange}, {"strava", Strava}, {"twitch", Twitch},
		{"x", X}, {"yandex", Yandex}, {"zoom", Zoom},
	}
}

// ByName returns the preset whose Name is name, for an application that reads from its
// configuration which providers it has; false if there is none. Those that take an
// argument, such as [Microsoft], are not among them.
func ByName(name string) (signon.Provider, bool) {
	for _, p := range presets() {
		if p.name == name {
			return p.make(), true
		}
	}
	return signon.Provider{}, false
}

// Names returns the names that [ByName] knows, in order.
func Names() []string {
	var names []string
	for _, p := range presets() {
		names = append(names, p.name)
	}
	return names
}
