package model_test

import (
	"fmt"
	"slices"
	"strings"
)

// A walk is the graph of all states that can be reached.
type walk struct {
	rules  rules
	states []state
	from   []int32 // by which state each was reached first
	index  map[state]int32
	steps  int

	// The bound steps backwards: those that lead to a state.
	into [][]int32
	ends []int32
}

// explore walks breadth first, so that what it finds first is reached by the fewest
// steps. It stops at the first breach, and returns how it came about.
func explore(start state, r rules) (w *walk, broken breach, trace string) {
	w = &walk{rules: r, index: map[state]int32{}}
	w.add(start.sorted(), -1)
	for at := int32(0); int(at) < len(w.states); at++ {
		s := w.states[at]
		for _, next := range s.steps(r) {
			w.steps++
			to := w.add(next.to.sorted(), at)
			if b := next.to.check(); b != none {
				return w, b, w.trace(to)
			}
			if next.bound && to != at {
				w.into[to] = append(w.into[to], at)
			}
		}
		if !s.ended() {
			continue
		}
		w.ends = append(w.ends, at)
		if b := s.checkEnd(); b != none {
			return w, b, w.trace(at)
		}
	}
	if at := w.stuck(); at >= 0 {
		return w, stuck, w.trace(at)
	}
	return w, none, ""
}

func (w *walk) add(s state, from int32) int32 {
	if at, ok := w.index[s]; ok {
		return at
	}
	at := int32(len(w.states))
	w.index[s] = at
	w.states, w.from, w.into = append(w.states, s), append(w.from, from), append(w.into, nil)
	return at
}

// stuck finds a state from which bound steps alone do not lead to an end, or -1. If
// they do from each, then everybody gets there: as long as one is not there, a step
// of the way is possible, and what stays possible happens sooner or later.
func (w *walk) stuck() int32 {
	reaches := make([]bool, len(w.states))
	todo := slices.Clone(w.ends)
	for _, at := range todo {
		reaches[at] = true
	}
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, from := range w.into[at] {
			if !reaches[from] {
				reaches[from] = true
				todo = append(todo, from)
			}
		}
	}
	return int32(slices.Index(reaches, false))
}

// trace tells the way to a state. The actors are sorted in the states that are kept,
// and have their names only here.
func (w *walk) trace(to int32) string {
	var path []int32
	for at := to; at >= 0; at = w.from[at] {
		path = append(path, at)
	}
	slices.Reverse(path)
	var b strings.Builder
	s := w.states[path[0]]
	for n, at := range path[1:] {
		steps := s.steps(w.rules)
		i := slices.IndexFunc(steps, func(next step) bool { return next.to.sorted() == w.states[at] })
		who := ""
		if steps[i].actor >= 0 {
			who = fmt.Sprintf("process %c ", 'A'+steps[i].actor)
		}
		s = steps[i].to
		fmt.Fprintf(&b, "%3d. %s%s\t[row %v, lease %d]\n", n+1, who, steps[i].what, s.row, s.lease)
	}
	return b.String()
}

func (t token) String() string {
	if t == (token{}) {
		return "none"
	}
	return fmt.Sprintf("%d.%d", t.family, t.generation)
}

// sorted is the state with its actors in order: which of them is called A makes no
// difference.
func (s state) sorted() state {
	type ranked struct {
		key    uint64
		a      actor
		holder bool
	}
	var list [maxActors]ranked
	for i, a := range s.actors {
		holds := s.lease == int8(i+1)
		list[i] = ranked{a.key()<<1 | bit(holds), a, holds}
	}
	for i := 1; i < len(list); i++ { // three of them: no need for more
		for j := i; j > 0 && list[j].key > list[j-1].key; j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
	for i, l := range list {
		if s.actors[i] = l.a; l.holder {
			s.lease = int8(i + 1)
		}
	}
	return s
}

// key tells actors apart.
func (a actor) key() uint64 {
	k := uint64(a.at)
	for _, n := range []int8{a.jobs, a.oldest, a.tries} {
		k = k<<2 | uint64(n)
	}
	for _, t := range []token{a.current, a.next, a.owedOld, a.owedNext, a.open} {
		k = k<<5 | uint64(t.family)<<3 | uint64(t.generation)
	}
	return k<<1 | bit(a.ranOut)
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
