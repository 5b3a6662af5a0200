package storm_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// afterwards is how long after an answer the death of its reader still explains that
// the answer came to nothing: it has to be written to a busy database.
const afterwards = 2 * time.Second

// cause says why an exchange brought its replica nothing, or "" where nothing
// outside of the application explains that.
func (l *ledger) cause(x *exchange) string {
	killed, dead := l.kills[x.by]
	switch {
	case x.fate == dropped:
		return "answer dropped"
	case x.fate == cutBefore && dead:
		return "killed before the provider had the request"
	case x.fate == cutAfter && dead:
		return "killed before the answer arrived"
	case x.fate == delivered && dead && killed.Sub(x.ended) < afterwards:
		return "killed before the answer was stored"
	}
	return ""
}

// A tally is what the ledger says of a whole storm.
type tally struct {
	refreshes, codes int
	once             int            // generations with exactly one request
	again            map[string]int // with more, by the cause of the first that has none else
	revoked          map[string]int // families ended by the provider, by cause
	listed           []string       // each of those with its cause
	violations       []string       // and without
}

func (l *ledger) tally() tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := tally{again: map[string]int{}, revoked: map[string]int{}}
	for _, x := range l.exchanges {
		if x.spent == nil {
			s.codes++
		} else {
			s.refreshes++
		}
	}
	for _, f := range l.families {
		for _, g := range f.generations {
			l.judge(&s, g)
		}
		if f.ended != nil {
			l.judgeEnd(&s, f)
		}
	}
	return s
}

// judge looks at one generation: each request but the last needs a cause to have
// been in vain.
func (l *ledger) judge(s *tally, g *generation) {
	switch len(g.requests) {
	case 0:
		return
	case 1:
		s.once++
		return
	}
	var causes []string
	for _, x := range g.requests[:len(g.requests)-1] {
		c := l.cause(x)
		if c == "" {
			s.violations = append(s.violations, "refreshed again without a cause:"+l.historyOf(g.family, g))
			return
		}
		causes = append(causes, c)
	}
	s.again[causes[0]]++
	s.listed = append(s.listed, fmt.Sprintf("%s: %s%s", g, strings.Join(causes, ", then "), l.historyOf(g.family, g)))
}

// judgeEnd looks for the cause of a family's end: what was in vain at the generation
// that came twice.
func (l *ledger) judgeEnd(s *tally, f *family) {
	for _, x := range f.ended.spent.requests {
		if c := l.cause(x); x != f.ended && x.brought != nil && c != "" {
			s.revoked[c]++
			return
		}
	}
	s.violations = append(s.violations, "a family was revoked without a cause:"+l.historyOf(f, f.ended.spent))
}

func (g *generation) String() string {
	return fmt.Sprintf("%s, family %d, generation %d", g.family.user, g.family.number, g.number)
}

// hasEnded reports whether the provider has ended a family.
func (l *ledger) hasEnded(f *family) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return f.ended != nil
}

// history tells all of a family.
func (l *ledger) history(f *family) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f == nil {
		return "\n    there was no login"
	}
	return l.historyOf(f, f.generations...)
}

func (l *ledger) historyOf(f *family, generations ...*generation) string {
	var b strings.Builder
	for _, g := range generations {
		fmt.Fprintf(&b, "\n    %s, issued at %s, expires at %s", g, l.clock(g.issued), l.clock(g.expires))
		for _, x := range g.requests {
			fmt.Fprintf(&b, "\n      replica %s asked at %s", x.by, l.clock(x.arrived))
			if !x.answered.IsZero() {
				fmt.Fprintf(&b, ", answered %d %s at %s", x.status, x.said, l.clock(x.answered))
			}
			fmt.Fprintf(&b, ", %s at %s", x.fate, l.clock(x.ended))
			if at, dead := l.kills[x.by]; dead {
				fmt.Fprintf(&b, "; replica killed at %s", l.clock(at))
			}
		}
	}
	return b.String()
}

// clock is a time as seconds since the ledger began.
func (l *ledger) clock(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return fmt.Sprintf("%.3fs", at.Sub(l.began).Seconds())
}

// report prints the table of a storm, and fails the test for each violation.
func report(t *testing.T, title string, s tally, c *counts, kills int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(what string, n any, more string) { _, _ = fmt.Fprintf(w, "%s\t%v\t%s\n", what, n, more) }
	row("requests of users", c.requests, "by status (0: cut with its replica): "+spread(c.status))
	row("longest wait", c.longest.took.Round(10*time.Millisecond), fmt.Sprintf("of %s, status %d", c.longest.user, c.longest.status))
	row("logins", c.logins, fmt.Sprintf("and %d attempts that failed on the way", c.failedLogins))
	row("replicas killed", kills, "")
	row("requests for a refresh", s.refreshes, fmt.Sprintf("and %d with a code", s.codes))
	row("generations refreshed by 1 request", s.once, "")
	row("by more, with a cause", total(s.again), spread(s.again))
	row("families revoked, with a cause", total(s.revoked), spread(s.revoked))
	row("logins lost, with a cause", len(c.lost), "")
	row("refreshed or revoked without a cause", len(s.violations), "")
	row("logins lost without a cause", len(c.causeless), "")
	row("answers with another user's token", len(c.anothers), "")
	row("other answers that must not be", len(c.odd), "")
	_ = w.Flush()
	t.Logf("%s\n%s\nrefreshed more than once, each with its cause:\n%s", title, b.String(), strings.Join(s.listed, "\n"))

	for _, bad := range [][]string{s.violations, c.causeless, c.anothers, c.odd} {
		for i, story := range bad {
			if i == 20 {
				t.Errorf("... and %d more like it", len(bad)-i)
				break
			}
			t.Error(story)
		}
	}
}

func total(m map[string]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

func spread[K interface{ ~int | ~string }](m map[K]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%v: %d", k, m[k]))
	}
	return strings.Join(parts, ", ")
}
