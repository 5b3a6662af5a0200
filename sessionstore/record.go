package sessionstore

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// The greatest lengths in bytes, as much as every database keeps and can index. What
// is longer is refused, never cut: two users must not become one.
const (
	// MaxKeySize bounds an ID, a Provider, an Owner, a Subject and the key of a claim.
	MaxKeySize = 255
	// MaxNameSize bounds what a provider may make long: an Issuer and a SID; and a
	// UserAgent.
	MaxNameSize = 1024
	// MaxSealedSize bounds an IDToken and a UserInfo.
	MaxSealedSize = 4 << 20
)

// A Record is one login: who is signed in, since when, and by which provider. It
// is what the browser's session names, and it alone decides whether somebody is
// signed in. Its strings are UTF-8 without a NUL, which not every database stores.
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

// Check returns an error if a required field is empty, or if one is longer than
// [MaxKeySize], [MaxNameSize] or [MaxSealedSize] allows, no UTF-8, or has a NUL. Every
// store refuses to create such a record.
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
	if n := max(len(r.IDToken), len(r.UserInfo)); n > MaxSealedSize {
		return fmt.Errorf("sessionstore: the record has %d sealed bytes in one field, want %d at most", n, MaxSealedSize)
	}
	if err := checkText("UserAgent", r.UserAgent, MaxNameSize); err != nil {
		return err
	}
	return checkTexts(r.ID, r.Provider, r.Owner, r.Subject, r.Issuer, r.SID)
}

func checkTexts(id, provider, owner, subject, issuer, sid string) error {
	return errors.Join(
		checkText("ID", id, MaxKeySize),
		checkText("Provider", provider, MaxKeySize),
		checkText("Owner", owner, MaxKeySize),
		checkText("Subject", subject, MaxKeySize),
		checkText("Issuer", issuer, MaxNameSize),
		checkText("SID", sid, MaxNameSize),
	)
}

// checkText does not quote the text, which may be long, and is somebody's name.
func checkText(name, text string, most int) error {
	switch {
	case len(text) > most:
		return fmt.Errorf("sessionstore: the %s is %d bytes long, want %d at most", name, len(text), most)
	case !utf8.ValidString(text):
		return fmt.Errorf("sessionstore: the %s is no UTF-8", name)
	case strings.IndexByte(text, 0) >= 0:
		return fmt.Errorf("sessionstore: the %s has a NUL", name)
	}
	return nil
}

// CheckClaim returns an error if a key is empty, longer than [MaxKeySize], no UTF-8, or
// has a NUL. Every store refuses to claim such a key.
func CheckClaim(key string) error {
	if key == "" {
		return errors.New("sessionstore: claim of an empty key")
	}
	return checkText("key of the claim", key, MaxKeySize)
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

// Check returns an error if s could select the logins of unrelated users, or has what
// [Record.Check] refuses, and so could select nothing. Every store refuses such a
// selector.
func (s Selector) Check() error {
	if s.ID == "" && s.Owner == "" && (s.Issuer == "" || s.SID == "" && s.Subject == "") {
		return errors.New("sessionstore: a selector needs an ID, an Owner, or an Issuer with a SID or a Subject")
	}
	return checkTexts(s.ID, s.Provider, s.Owner, s.Subject, s.Issuer, s.SID)
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
