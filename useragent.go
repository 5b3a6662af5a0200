package signon

import "strings"

// maxUserAgent is how much of the header is looked at, in bytes.
const maxUserAgent = 512

// A product is a name, and what in a User-Agent header tells it.
type product struct {
	name  string
	marks []string
}

// browserOf calls the browser of a User-Agent header (RFC 9110 section 10.1.5) by what a
// person would: "Firefox on Linux". It is "" where it is none of those that most people
// have. The header is whatever its sender likes, and with all its numbers tells people
// apart: none of its own words is kept or shown.
func browserOf(userAgent string) string {
	userAgent = userAgent[:min(len(userAgent), maxUserAgent)]
	// Browsers claim to be each other: those that are built on another come before it.
	browser := firstOf(userAgent, []product{
		{"Edge", []string{"Edg/", "EdgA/", "EdgiOS/", "Edge/"}},
		{"Opera", []string{"OPR/", "OPT/", "OPX/", "Opera/"}},
		{"Samsung Internet", []string{"SamsungBrowser/"}},
		{"Firefox", []string{"Firefox/", "FxiOS/"}},
		{"Chrome", []string{"Chrome/", "CriOS/", "Chromium/"}},
		{"Safari", []string{"Safari/"}},
	})
	if browser == "" {
		return ""
	}
	system := firstOf(userAgent, []product{
		{"iOS", []string{"iPhone", "iPad", "iPod"}}, // "like Mac OS X"
		{"Android", []string{"Android"}},            // "Linux; Android"
		{"ChromeOS", []string{"CrOS"}},              // "X11; CrOS"
		{"Windows", []string{"Windows"}},
		{"macOS", []string{"Macintosh", "Mac OS X"}},
		{"Linux", []string{"Linux", "X11"}},
	})
	if system == "" {
		return browser
	}
	return browser + " on " + system
}

func firstOf(userAgent string, products []product) string {
	for _, p := range products {
		for _, mark := range p.marks {
			if strings.Contains(userAgent, mark) {
				return p.name
			}
		}
	}
	return ""
}
