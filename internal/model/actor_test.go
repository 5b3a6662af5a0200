package model_test

// A step is one thing that happens, and the state that it leads to.
type step struct {
	actor int // -1: nobody's
	what  string
	to    state

	// bound steps happen sooner or later if they can: a process goes on, time passes.
	// What may fail, or may never come, is not bound.
	bound bool
}

// A move collects the steps that one actor can make in one state.
type move struct {
	from  state
	i     int
	rules rules
	steps []step
}

// to adds a step, in which change happens to a copy of the state.
func (m *move) to(what string, bound bool, change func(s *state, a *actor)) {
	s := m.from
	change(&s, &s.actors[m.i])
	m.steps = append(m.steps, step{m.i, what, s, bound})
}

// flight adds the steps of the actor's refresh.
func (m *move) flight() {
	switch m.from.actors[m.i].at {
	case idle:
		m.idle()
	case read:
		m.to("reads the store", true, m.read)
	case settle:
		m.settle()
	case lease:
		m.to("asks for the lease", true, m.lease)
	case call:
		m.call()
	case pause:
		m.to("turns its lease into a pause", true, m.pause)
	case lookAgain:
		m.to("was refused and reads the store again", true, m.lookAgain)
	case drop:
		m.to("deletes the dead token", true, m.drop)
	case write:
		m.write()
	case abandon:
		m.to("revokes what came after the logout", true, func(s *state, a *actor) {
			s.revoke(a.next)
			s.land(m.i)
		})
	}
}

func (m *move) idle() {
	if m.from.actors[m.i].jobs == 0 {
		return
	}
	m.to("asks for the token", true, func(s *state, a *actor) {
		a.at, a.jobs, a.oldest = read, a.jobs-1, max(s.logins, s.out+1)
	})
}

func (m *move) read(s *state, a *actor) {
	switch {
	case s.row == token{}:
		s.land(m.i)
	case a.owedNext != token{} && a.owedOld == s.row:
		a.at = settle
	default:
		m.decide(s, a, s.row)
	}
}

// decide goes on with the token that counts.
func (m *move) decide(s *state, a *actor, current token) {
	if a.current = current; s.fresh(current) {
		s.serve(m.i, current)
		return
	}
	a.at, a.tries = lease, 0
	if m.rules.noLease {
		a.at = call
	}
}

// settle writes what an earlier flight could not.
func (m *move) settle() {
	m.to("writes what it owes", true, func(s *state, a *actor) {
		if next := a.owedNext; s.update(m.rules, m.i, a.owedOld, next) {
			m.decide(s, a, next)
			return
		}
		m.disown(s, a)
		a.at = read
	})
	m.to("cannot write what it owes", false, func(s *state, a *actor) {
		m.decide(s, a, a.owedNext)
	})
}

// lease is one compare-and-swap: it compares what was read with what is there.
func (m *move) lease(s *state, a *actor) {
	bound := a.current == s.row || m.rules.blindLease || m.rules.refreshesOwed && a.owedOld == s.row && a.owedNext == a.current
	switch {
	case s.row == token{}, !bound:
		a.at = read
	case s.lease == 0:
		s.lease, a.ranOut, a.at = int8(m.i+1), false, call
	case s.alive(a.current) || m.rules.servesExpired:
		s.serve(m.i, a.current)
	case s.lease == paused:
		s.land(m.i) // unavailable for now
	default:
		a.at = read // it polls
	}
}

// call is the request with its one retry, and whatever may become of it.
func (m *move) call() {
	m.to("sends its refresh token and is answered", true, func(s *state, a *actor) {
		s.send(m.i, a.current)
		got := s.present(m.rules, a.current)
		if a.at = write; got.refused {
			a.at = lookAgain
		}
		a.next = got.pair
	})
	m.to("cannot send anything", false, func(_ *state, a *actor) { a.at = pause })
	if m.from.left.mishaps == 0 {
		return
	}
	for _, arrives := range []bool{true, false} {
		for _, retries := range []bool{true, false} {
			m.lose(arrives, retries)
		}
	}
}

// lose adds the step in which an answer, or the request, is lost. A time-out is not
// followed by the retry.
func (m *move) lose(arrives, retries bool) {
	if retries && m.from.actors[m.i].tries > 0 {
		return
	}
	what := "sends its refresh token; the request is lost"
	if arrives {
		what = "sends its refresh token; the answer is lost"
	}
	m.to(what, false, func(s *state, a *actor) {
		s.left.mishaps--
		s.send(m.i, a.current)
		s.families[a.current.family].why |= lostAnswer
		s.excuse(m.i, lostAnswer)
		if arrives {
			s.present(m.rules, a.current)
		}
		if a.tries++; !retries {
			a.at = pause
		}
	})
}

func (m *move) pause(s *state, a *actor) {
	if s.lease == int8(m.i+1) && s.row == a.current || s.lease > 0 && m.rules.looseRelease {
		s.lease = paused
	}
	s.serveAlive(m.i, a.current)
}

func (m *move) lookAgain(s *state, a *actor) {
	switch s.row {
	case token{}:
		s.land(m.i)
	case a.current:
		a.at = drop
	default:
		s.serveAlive(m.i, s.row)
	}
}

func (m *move) drop(s *state, a *actor) {
	if s.row != a.current && !m.rules.blindDrop {
		s.serveAlive(m.i, s.row)
		return
	}
	if s.row != (token{}) && !s.families[s.row.family].revoked {
		s.violate(lostLogin)
	}
	s.row, s.lease = token{}, 0
	s.land(m.i)
}

func (m *move) write() {
	store := func(s *state, a *actor) bool { return s.update(m.rules, m.i, a.current, a.next) }
	m.to("writes the new pair", true, func(s *state, a *actor) {
		switch next := a.next; {
		case store(s, a):
			s.serveAlive(m.i, next)
		case s.row == token{}:
			if a.at = abandon; m.rules.keepsOrphan {
				s.land(m.i)
			}
		default:
			s.serveAlive(m.i, s.row)
		}
	})
	if m.from.left.mishaps == 0 {
		return
	}
	for _, written := range []bool{true, false} {
		m.to("writes the new pair; the store does not answer", false, func(s *state, a *actor) {
			s.left.mishaps--
			old, next := a.current, a.next
			if written {
				store(s, a)
			}
			if !m.rules.forgetsOwed {
				a.owedOld, a.owedNext = old, next
			}
			s.serveAlive(m.i, next)
		})
	}
}

// rewrite adds what happens behind all flights: what is owed is written.
func (m *move) rewrite() {
	if m.from.actors[m.i].owedNext == (token{}) {
		return
	}
	m.to("writes in the background what it owes", true, func(s *state, a *actor) {
		if s.update(m.rules, m.i, a.owedOld, a.owedNext) {
			return
		}
		m.disown(s, a)
	})
}

// disown gives up a pair that the store has no place for any more.
func (m *move) disown(s *state, a *actor) {
	if s.row == (token{}) && !m.rules.keepsOrphan {
		s.revoke(a.owedNext)
	}
	s.forget(m.i)
}
