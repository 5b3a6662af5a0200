// Package storm tries what Signon promises of many replicas: each token is
// refreshed once, and nobody loses a login to that. It has no code of its own:
// replica is a small application, and the tests beside this file run four of it on
// one database, against a provider that rotates refresh tokens and takes the second
// use of one for a theft, over a line that is slow and loses answers, and kill one
// of them every few seconds.
//
//	cd interop && go test ./storm                     about half a minute for each database
//	cd interop && SIGNON_STORM=full go test ./storm   about a minute
//
// PostgreSQL and MariaDB are those that SIGNON_TEST_POSTGRES and
// SIGNON_TEST_MARIADB name.
package storm
