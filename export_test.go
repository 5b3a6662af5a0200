package signon

// TokensOf is the registry's store as the registry sees it: sealed, if it is.
func TokensOf(g *Registry) TokenStore { return g.tokens }
