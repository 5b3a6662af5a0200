package model_test

// answer is what the provider says to a refresh token.
type answer struct {
	pair    token
	refused bool
}

// present has the provider take a refresh token, which rotates it. One that is spent
// revokes the family, but for the last one where there is a time of grace.
func (s *state) present(r rules, t token) answer {
	f := &s.families[t.family]
	switch {
	case f.revoked:
		return answer{refused: true}
	case t.generation == f.current:
		f.current++
		return answer{pair: token{t.family, f.current}}
	case r.grace && t.generation == f.current-1:
		return answer{pair: token{t.family, f.current}}
	}
	f.revoked = true
	if f.why == 0 {
		s.violate(revokedForNothing)
	}
	return answer{refused: true}
}

// revoke is what a logout asks for. A spent token revokes nothing (RFC 7009 section
// 2.2: a token that is not valid is answered 200).
func (s *state) revoke(t token) {
	if f := &s.families[t.family]; f.current == t.generation {
		f.revoked, f.why = true, f.why|signedOut
	}
}

// send counts that an actor sends a generation.
func (s *state) send(i int, t token) {
	a, f := &s.actors[i], &s.families[t.family]
	if a.owedNext != (token{}) && a.owedOld == t {
		s.violate(spentSent)
	}
	if a.ranOut {
		return // it does not know; the run-out lease is the cause
	}
	a.open = t
	if f.sent[t.generation]++; f.sent[t.generation] > 1 {
		s.violate(sentTwice)
	}
}

// excuse takes back that an actor's sending counts: there is a cause now why the
// generation may be sent again.
func (s *state) excuse(i int, why cause) {
	a := &s.actors[i]
	if a.open == (token{}) {
		return
	}
	f := &s.families[a.open.family]
	f.sent[a.open.generation]--
	f.why |= why
	a.open = token{}
}

func (s *state) fresh(t token) bool { return t.generation > s.families[t.family].stale }
func (s *state) alive(t token) bool { return t.generation > s.families[t.family].dead }
