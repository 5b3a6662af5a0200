// Package databases tries what Signon promises of a user's tokens and logins on each
// database: that a token is refreshed once, by whichever replica, and what that brings
// is not lost; that who writes to the database gains nothing by it; and what happens
// when it does not answer. It has no code of its own: the tests beside this file run two
// replicas of an application on one database, against a provider in process, with
// tokens sealed, and through the public API alone.
//
//	cd interop && go test ./databases
//
// PostgreSQL and MariaDB are those that SIGNON_TEST_POSTGRES and SIGNON_TEST_MARIADB
// name. What kills processes is in package storm.
package databases
