package model_test

// update is the store's compare-and-swap. It ends the lease, whoever has it.
func (s *state) update(r rules, i int, old, next token) bool {
	creates := s.row == (token{}) && r.updateCreates
	if s.row != old && !creates && !(s.row != (token{}) && r.blindUpdate) {
		return false
	}
	s.row, s.lease = next, 0
	s.actors[i].open = token{} // it is spent for good: nobody finds it any more
	if s.actors[i].owedNext == next {
		s.forget(i)
	}
	return true
}

func (s *state) forget(i int) {
	a := &s.actors[i]
	a.owedOld, a.owedNext = token{}, token{}
}

// serve ends a flight with a token.
func (s *state) serve(i int, t token) {
	a := &s.actors[i]
	switch {
	case a.owedNext != token{} && a.owedOld == t:
		s.violate(spentServed)
	case t.family < a.oldest:
		s.violate(strangeServed)
	case !s.alive(t):
		s.violate(expiredServed)
	}
	s.land(i)
}

// serveAlive ends a flight with a token, or, if that has expired, with none.
func (s *state) serveAlive(i int, t token) {
	if t != (token{}) && s.alive(t) {
		s.serve(i, t)
		return
	}
	s.land(i)
}

// land ends a flight, and forgets what only it knew.
func (s *state) land(i int) {
	a := &s.actors[i]
	landed := actor{jobs: a.jobs}
	if a.owedNext != (token{}) {
		landed.owedOld, landed.owedNext, landed.open = a.owedOld, a.owedNext, a.open
	}
	*a = landed
}

// violate notes that an invariant does not hold. The first is the one that counts.
func (s *state) violate(b breach) {
	if s.breach == none {
		s.breach = b
	}
}

// check are the invariants of a state that are seen in it.
func (s *state) check() breach {
	switch {
	case s.breach != none:
		return s.breach
	case s.row != token{} && s.row.family <= s.out:
		return cameBack
	case s.row != token{} && s.row.family < s.logins:
		return overwritten
	case s.row == token{} && s.lease != 0:
		return leaseOfNothing
	}
	return none
}

// ended reports that nothing is left to do.
func (s *state) ended() bool {
	for _, a := range s.actors {
		if a.at != crashed && (a.at != idle || a.jobs > 0 || a.owedNext != token{}) {
			return false
		}
	}
	return s.departed == token{}
}

// checkEnd is what must hold in the end: after a logout the provider honours nothing,
// unless what would have to be revoked was lost on its way or has died with a process.
// Nor if the user has signed in again: a refresh that comes then cannot tell whether it
// has lost to that or to another process, whose token it must not revoke.
func (s *state) checkEnd() breach {
	if f := s.families[s.out]; s.out > 0 && s.logins == s.out && !f.revoked && f.why&(lostAnswer|crash) == 0 {
		return orphan
	}
	return none
}

// steps are all that can happen next.
func (s *state) steps(r rules) []step {
	var steps []step
	for i := range s.actors {
		m := move{from: *s, i: i, rules: r}
		m.flight()
		m.rewrite()
		m.crash()
		steps = append(steps, m.steps...)
	}
	w := move{from: *s, rules: r}
	w.time()
	w.people()
	for i := range w.steps {
		w.steps[i].actor = -1
	}
	return append(steps, w.steps...)
}

// crash kills a process: what it owes dies with it.
func (m *move) crash() {
	a := m.from.actors[m.i]
	if m.from.left.mishaps == 0 || a.at < call && a.owedNext == (token{}) || a.at == crashed {
		return // who has no lease and owes nothing leaves nothing behind
	}
	m.to("crashes", false, func(s *state, a *actor) {
		s.left.mishaps--
		for _, t := range []token{a.owedNext, a.next} {
			if t != (token{}) {
				s.families[t.family].why |= crash
			}
		}
		s.excuse(m.i, crash)
		*a = actor{at: crashed}
	})
}

// time adds what comes by itself.
func (m *move) time() {
	if holder := m.from.lease; holder > 0 && !m.rules.endlessLease && m.mayRunOut(holder) {
		m.to("the lease runs out", true, func(s *state, _ *actor) { s.runOut(int(holder - 1)) })
	}
	if m.from.lease == paused {
		m.to("the pause is over", true, func(s *state, _ *actor) { s.lease = 0 })
	}
	f := m.from.families[1]
	if m.from.left.ageings > 0 && f.stale < f.current {
		m.to("the newest access token grows old", false, func(s *state, _ *actor) {
			s.left.ageings--
			s.families[1].stale = f.current
		})
	}
	if f.dead < f.stale {
		m.to("what is old expires", false, func(s *state, _ *actor) { s.families[1].dead = f.stale })
	}
}

// mayRunOut: the lease of a process that has crashed, or whose flight has ended
// without giving it back, runs out in any case; that of one that is only slow, as
// often as the budget allows.
func (m *move) mayRunOut(holder int8) bool {
	at := m.from.actors[holder-1].at
	return at == crashed || at < call || m.from.left.mishaps > 0
}

func (s *state) runOut(holder int) {
	a := &s.actors[holder]
	if s.lease = 0; a.at == crashed {
		return
	}
	if a.at >= call {
		s.left.mishaps--
		a.ranOut = true
	}
	s.families[s.row.family].why |= runOut
	s.excuse(holder, runOut)
}

// people adds what users do.
func (m *move) people() {
	if m.from.left.logouts > 0 && m.from.row != (token{}) {
		m.to("the user signs out: the row is deleted", false, func(s *state, _ *actor) {
			s.left.logouts--
			s.departed, s.out = s.row, s.logins
			s.row, s.lease = token{}, 0
		})
	}
	if m.from.departed != (token{}) {
		m.to("the logout revokes what it deleted", true, func(s *state, _ *actor) {
			s.revoke(s.departed)
			s.departed = token{}
		})
	}
	if m.from.left.logins > 0 {
		m.to("the user signs in again", false, func(s *state, _ *actor) {
			s.left.logins--
			s.logins++
			s.families[s.logins].current = 1
			s.row, s.lease = token{s.logins, 1}, 0
		})
	}
	if f := m.from.families[1]; m.from.left.mishaps > 0 && !f.revoked {
		m.to("the user withdraws the consent at the provider", false, func(s *state, _ *actor) {
			s.left.mishaps--
			s.families[1].revoked, s.families[1].why = true, f.why|consentWithdrawn
		})
	}
}
