// Package benchmarks measures Signon on a database beside what one would write by hand:
// database/sql and a prepared statement. It has no code of its own; README.md has the
// commands and what they have shown. It is a module of its own, so that none of this
// becomes a dependency of an application.
package benchmarks
