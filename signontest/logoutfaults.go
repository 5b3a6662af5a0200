package signontest

import "slices"

// backChannelEvent is the member of events that makes a token a logout token, OpenID
// Connect Back-Channel Logout section 2.4.
const backChannelEvent = "http://schemas.openid.net/event/backchannel-logout"

// Faults of a logout token (OpenID Connect Back-Channel Logout section 2.4). Besides
// these, the faults of the ID token happen to it that are about what both have:
// WrongIssuer, WrongAudience, ExtraAudience, ForeignAZP, ExpiredIDToken, FutureIssuedAt,
// OldIDToken, NotYetValid, MissingSubject, DuplicateClaim, and those of header, signature
// and encryption.
const (
	NoEvents         Fault = "NoEvents"         // events is missing
	NullEvents       Fault = "NullEvents"       // events is null
	StringEvents     Fault = "StringEvents"     // events is the event's name
	ArrayEvents      Fault = "ArrayEvents"      // events is an array with the event's name
	OtherEvent       Fault = "OtherEvent"       // events has another event only
	MistypedEvent    Fault = "MistypedEvent"    // the event's name has https for http
	EventNotObject   Fault = "EventNotObject"   // the event is true, not an object
	NullEvent        Fault = "NullEvent"        // the event is null
	MoreEvents       Fault = "MoreEvents"       // another event is there too, which is right
	EventWithMembers Fault = "EventWithMembers" // the event has a member, which is right

	LogoutNonce     Fault = "LogoutNonce"     // nonce is there
	LogoutNullNonce Fault = "LogoutNullNonce" // nonce is there, and null

	NoExpiry   Fault = "NoExpiry"   // exp is missing
	NoIssuedAt Fault = "NoIssuedAt" // iat is missing
	NoJTI      Fault = "NoJTI"      // jti is missing
	EmptyJTI   Fault = "EmptyJTI"   // jti is ""
	NumberJTI  Fault = "NumberJTI"  // jti is 12345
	SameJTI    Fault = "SameJTI"    // jti is that of the logout token before

	NoIssuer    Fault = "NoIssuer"    // iss is missing
	SlashIssuer Fault = "SlashIssuer" // iss has a slash too many
	NoAudience  Fault = "NoAudience"  // aud is missing

	NoSubjectNorSession Fault = "NoSubjectNorSession" // sub and sid are missing
	EmptySubject        Fault = "EmptySubject"        // sub is ""
	EmptySession        Fault = "EmptySession"        // sid is ""
	NumberSession       Fault = "NumberSession"       // sid is 12345

	JWTTyp     Fault = "JWTTyp"     // typ is JWT, which many providers still say
	NoTyp      Fault = "NoTyp"      // typ is missing, which is right too
	IDTokenTyp Fault = "IDTokenTyp" // typ is id_token+jwt, which nobody has registered
)

var logoutFaults = []Fault{
	NoEvents, NullEvents, StringEvents, ArrayEvents, OtherEvent, MistypedEvent, EventNotObject, NullEvent, MoreEvents,
	EventWithMembers, LogoutNonce, LogoutNullNonce, NoExpiry, NoIssuedAt, NoJTI, EmptyJTI, NumberJTI, SameJTI, NoIssuer,
	SlashIssuer, NoAudience, NoSubjectNorSession, EmptySubject, EmptySession, NumberSession, JWTTyp, NoTyp, IDTokenTyp,
}

// sharedClaimFaults are the faults of an ID token's claims that a logout token can have.
var sharedClaimFaults = []Fault{
	WrongIssuer, WrongAudience, ExtraAudience, ForeignAZP, ExpiredIDToken, FutureIssuedAt, OldIDToken, NotYetValid, MissingSubject,
}

// logoutClaimFaults change the claims of a logout token before it is signed.
var logoutClaimFaults = []struct {
	fault Fault
	edit  Edit
}{
	{NoEvents, unset("events")},
	{NullEvents, set("events", nil)},
	{StringEvents, set("events", backChannelEvent)},
	{ArrayEvents, set("events", []any{backChannelEvent})},
	{OtherEvent, set("events", event("http://schemas.openid.net/event/other"))},
	{MistypedEvent, set("events", event("https://schemas.openid.net/event/backchannel-logout"))},
	{EventNotObject, set("events", map[string]any{backChannelEvent: true})},
	{NullEvent, set("events", map[string]any{backChannelEvent: nil})},
	{MoreEvents, func(c map[string]any) {
		c["events"].(map[string]any)["http://schemas.openid.net/event/other"] = struct{}{}
	}},
	{EventWithMembers, set("events", map[string]any{backChannelEvent: map[string]any{"reason": "closing time"}})},
	{LogoutNonce, set("nonce", "a-nonce-that-has-no-place-here-0123456789abcd")},
	{LogoutNullNonce, set("nonce", nil)},
	{NoExpiry, unset("exp")},
	{NoIssuedAt, unset("iat")},
	{NoJTI, unset("jti")},
	{EmptyJTI, set("jti", "")},
	{NumberJTI, set("jti", 12345)},
	{NoIssuer, unset("iss")},
	{SlashIssuer, func(c map[string]any) { c["iss"] = c["iss"].(string) + "/" }},
	{NoAudience, unset("aud")},
	{NoSubjectNorSession, func(c map[string]any) { delete(c, "sub"); delete(c, "sid") }},
	{EmptySubject, set("sub", "")},
	{EmptySession, set("sid", "")},
	{NumberSession, set("sid", 12345)},
}

// logoutHeaderFaults change the header of a logout token before it is signed.
var logoutHeaderFaults = []struct {
	fault Fault
	edit  Edit
}{
	{JWTTyp, set("typ", "JWT")},
	{NoTyp, unset("typ")},
	{IDTokenTyp, set("typ", "id_token+jwt")},
}

func event(name string) map[string]any { return map[string]any{name: struct{}{}} }

// applyLogoutFaults changes the claims as the armed faults say.
func (p *Provider) applyLogoutFaults(claims map[string]any) {
	for _, f := range claimFaults {
		if slices.Contains(sharedClaimFaults, f.fault) && p.fires(f.fault) {
			f.edit(p, claims)
		}
	}
	for _, f := range logoutClaimFaults {
		if p.fires(f.fault) {
			f.edit(claims)
		}
	}
}
