package oidc

// IsAddress reports whether an e-mail address can be read in one way only, by the rule of
// [VerifiedEmail].
func IsAddress(s string) bool { return isAddress(s) }
