package sessionstore

import (
	"bytes"
	"errors"
	"time"
)

// A Record is one login: who is signed in, since when, and by which provider. It
// is what the browser's session names, and it alone decides whether somebody is
// signed in.
type Record struct {
	ID       string // random; the key of the record. Required
	Provider string // the provider's name. Required
	Owner    string // whose tokens the login uses: the ID, or the application's user id. Required
	Issuer   string // the issuer identifier; empty with plain OAuth 2.0
	Subject  string // who it is, at the issuer
	SID      string // the provider's id of its own session, if it gave one

	// IDToken and UserInfo are sealed: a store keeps the bytes as they are.
	IDToken  []byte
	UserInfo []byte

	UserAgent string // for a list of one's sessions
	CreatedAt time.Time
	LastSeen  time.Time // to the minute or so
	ExpiresAt time.Time // the login ends then, whatever happens. Required
}

// Check returns an error if a required field is empty. Every store refuses to
// create such a record.
func (r *Record) Check() error {
	switch {
	case r.ID == "":
		return errors.New("sessionstore: the record has no ID")
	case r.Provider == "":
		return errors.New("sessionstore: the record has no Provider")
	case r.Owner == "":
		return errors.New("sessionstore: the record has no Owner")
	case r.ExpiresAt.IsZero():
		return errors.New("sessionstore: the record has no ExpiresAt")
	}
	return nil
}

// Clone returns a copy that shares nothing with r.
func (r *Record) Clone() *Record {
	c := *r
	c.IDToken = bytes.Clone(r.IDToken)
	c.UserInfo = bytes.Clone(r.UserInfo)
	return &c
}

// A Selector selects the records that equal it in each of its fields that is not
// empty. It needs an ID, or an Owner, or an Issuer together with a SID or a
// Subject: a sid or a subject means something at its own issuer only.
type Selector struct {
	ID, Provider, Owner, Issuer, Subject, SID string
}

// Check returns an error if s could select the logins of unrelated users. Every
// store refuses such a selector.
func (s Selector) Check() error {
	if s.ID != "" || s.Owner != "" || s.Issuer != "" && (s.SID != "" || s.Subject != "") {
		return nil
	}
	return errors.New("sessionstore: a selector needs an ID, an Owner, or an Issuer with a SID or a Subject")
}

// Matches reports whether s selects r.
func (s Selector) Matches(r *Record) bool {
	return (s.ID == "" || s.ID == r.ID) &&
		(s.Provider == "" || s.Provider == r.Provider) &&
		(s.Owner == "" || s.Owner == r.Owner) &&
		(s.Issuer == "" || s.Issuer == r.Issuer) &&
		(s.Subject == "" || s.Subject == r.Subject) &&
		(s.SID == "" || s.SID == r.SID)
}
