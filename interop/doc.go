// Package interop tries Signon on real providers and in a real browser. It has no
// code of its own: op and zitadel start providers, chromium a browser, and the
// tests are beside this file. It is a module of its own, so that none of this
// becomes a dependency of an application.
//
//	cd interop/op && npm ci --ignore-scripts
//	cd interop && go test ./...
//
// A test whose server is not installed skips and says what to install; with
// SIGNON_CI=1 it fails. With SIGNON_SHOTS=DIR the browser leaves pictures there.
package interop
