package signon

// AncestorsOf is who may frame the page of a front-channel logout.
func AncestorsOf(issuer, endSession string) string { return ancestorsOf(issuer, endSession) }
