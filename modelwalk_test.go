package signon_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A story is what may happen in a world, and how far it is walked: in full where that
// is possible, else with a bound on how often a replica that could go on is
// interrupted by another, since nearly all races need very few interruptions.
type story struct {
	name           string
	replicas, jobs int
	left           time.Duration // how long the first access token still lives
	life           time.Duration // and each later one
	mishaps        int           // how many of the events below may happen
	events         string        // of: logout login crash lost write slow later
	interruptions  int
	patience       time.Duration // how long a caller may have to wait
	without        string        // what the store does not do
	breaks         string        // and what comes of it
}

// An option is one way to go on.
type option struct {
	label string
	do    func()
}

// A fork is a moment at which there was a choice.
type fork struct {
	labels []string
	taken  int
}

// A walker follows one schedule, from the beginning: by what was decided before, and
// then by the first option at each fork.
type walker struct {
	*world
	forks         []fork
	depth         int
	last          *replica // who went on last
	interruptions int
	mishaps       int
	moments       int
	slow          bool // time has been lost already
	diverged      bool
}

// maxSteps is far more than any schedule needs.
const maxSteps = 400

func (w *walker) walk() {
	for _, r := range w.replicas {
		go r.ask()
	}
	for range maxSteps {
		synctest.Wait()
		if w.broken != "" || w.allDone() {
			return
		}
		switch options := w.options(); len(options) {
		case 0:
			time.Sleep(tick)
		case 1:
			w.take(options[0])
		default:
			w.take(w.choose(options))
		}
		if w.diverged {
			return
		}
	}
	w.breaks("it does not end")
}

const (
	// tick is enough for whoever polls to look again.
	tick = 600 * time.Millisecond

	// maxMoments is how many ticks may pass while a call is under way: few enough for
	// none to time out by them, which is a story of its own.
	maxMoments = 3

	// unbounded interruptions are more than there can be.
	unbounded = 1000
)

func (w *walker) take(o option) {
	w.mu.Lock()
	w.log = append(w.log, o.label)
	w.mu.Unlock()
	o.do()
}

// choose decides as before, and takes note of the choice that it had.
func (w *walker) choose(options []option) option {
	defer func() { w.depth++ }()
	if w.depth == len(w.forks) {
		f := fork{}
		for _, o := range options {
			f.labels = append(f.labels, o.label)
		}
		w.forks = append(w.forks, f)
	}
	f := w.forks[w.depth]
	i := slices.IndexFunc(options, func(o option) bool { return o.label == f.labels[f.taken] })
	if i < 0 { // the jitter of a pause was another one
		w.diverged = true
		return option{"diverged", func() {}}
	}
	return options[i]
}

func (w *walker) allDone() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.replicas {
		if !r.done && !r.crashed {
			return false
		}
	}
	return true
}

// options are the ways to go on, the first of them without an interruption.
func (w *walker) options() []option {
	w.mu.Lock()
	stops := slices.DeleteFunc(slices.Clone(w.stopped), func(s *stop) bool { return s.replica.crashed })
	w.mu.Unlock()
	if len(stops) == 0 {
		return nil
	}
	slices.SortStableFunc(stops, func(a, b *stop) int { return strings.Compare(w.rank(a)+a.what, w.rank(b)+b.what) })
	going := stops[0].replica == w.last
	var list []option
	for _, s := range stops {
		costs := going && s.replica != w.last
		if costs && w.interruptions == w.story.interruptions {
			continue
		}
		label := s.replica.name + ": " + s.what
		if slices.ContainsFunc(list, func(o option) bool { return o.label == label }) {
			label += ", the later one" // the flight, or what pays behind it
		}
		list = append(list, option{label, func() { w.resume(s, goesOn, costs) }})
		list = append(list, w.mishapsOf(s, label, costs)...)
	}
	if w.somebodySleeps(stops) && w.moments < maxMoments {
		list = append(list, option{"a moment passes", func() { w.moments++; time.Sleep(tick) }})
	}
	return append(list, w.events(stops)...)
}

// rank sorts the one that went on last to the front.
func (w *walker) rank(s *stop) string {
	if s.replica == w.last {
		return " "
	}
	return s.replica.name
}

func (w *walker) somebodySleeps(stops []*stop) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.replicas, func(r *replica) bool {
		return !r.done && !r.crashed && !slices.ContainsFunc(stops, func(s *stop) bool { return s.replica == r })
	})
}

// nothingUnderWay: no caller waits.
func (w *walker) nothingUnderWay(stops []*stop) bool {
	asking := 0
	for _, s := range stops {
		if s.what == asksToken {
			asking++
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.replicas {
		if r.done || r.crashed {
			asking++
		}
	}
	return asking >= len(w.replicas)
}

func (w *walker) resume(s *stop, v verdict, costs bool) {
	if costs {
		w.interruptions++
	}
	w.last = s.replica
	w.mu.Lock()
	w.stopped = slices.DeleteFunc(w.stopped, func(o *stop) bool { return o == s })
	w.mu.Unlock()
	s.leave <- v
}

// may reports that an event may still happen.
func (w *walker) may(event string) bool {
	return w.mishaps < w.story.mishaps && strings.Contains(w.story.events, event)
}

// event is one that uses the story's mishaps up. Those with a cause excuse a token that
// is sent twice.
func (w *walker) event(label, cause string, do func()) option {
	return option{label, func() {
		w.mishaps++
		w.mu.Lock()
		if cause != "" {
			w.causes[cause] = true
			w.lost = w.lost || !strings.Contains(label, updates)
		}
		w.mu.Unlock()
		do()
	}}
}

// mishapsOf is what may go wrong with a call.
func (w *walker) mishapsOf(s *stop, label string, costs bool) (list []option) {
	sent, asks := strings.CutPrefix(s.what, asks)
	old, updates := strings.CutPrefix(s.what, updates)
	if asks && w.may("lost") || updates && w.may("write") {
		cause := sent
		if updates { // the lease may run out before it is written
			cause, _, _ = strings.Cut(old, " ")
		}
		list = append(list,
			w.event(label+"; the answer is lost", cause, func() { w.resume(s, isLost, costs) }),
			w.event(label+"; it fails", cause, func() { w.resume(s, fails, costs) }))
	}
	return list
}

// events is what may happen at any moment.
func (w *walker) events(stops []*stop) (list []option) {
	if w.may("logout") && w.out == 0 {
		list = append(list, w.event("the user signs out", "", w.logout))
	}
	if w.may("login") && w.op.current[2] == 0 {
		list = append(list, w.event("the user signs in again", "", func() {
			if err := w.save(2, time.Hour); err != nil {
				w.breaks("login: %v", err)
			}
		}))
	}
	if w.may("slow") && !w.slow {
		list = append(list, w.event("16 s pass", anyToken, func() { w.slow = true; time.Sleep(16 * time.Second) }))
	}
	if w.may("later") && !w.slow && w.nothingUnderWay(stops) {
		list = append(list, w.event("16 s pass before anybody asks", "", func() { w.slow = true; time.Sleep(16 * time.Second) }))
	}
	for i, s := range stops {
		if w.may("crash") && (i == 0 || stops[i-1].replica != s.replica) {
			list = append(list, w.event(s.replica.name+" crashes", anyToken, func() {
				w.mu.Lock()
				s.replica.crashed = true
				w.mu.Unlock()
			}))
		}
	}
	return list
}

// logout deletes the token, as another process would.
func (w *walker) logout() {
	if token, err := w.tokens.FetchToken(context.Background(), modelKey); err == nil {
		_, w.deleted = w.op.parse(token.RefreshToken)
	}
	w.out = w.newestLogin()
	if err := w.tokens.DeleteToken(context.Background(), modelKey, nil); err != nil {
		w.breaks("logout: %v", err)
	}
}

var stories = []story{
	{name: "2 replicas", replicas: 2, jobs: 1, interruptions: unbounded},
	{name: "2 replicas, the old token still lives", replicas: 2, jobs: 1, left: 30 * time.Second, interruptions: unbounded},
	{name: "3 replicas", replicas: 3, jobs: 1, interruptions: 1},
	{name: "logout", replicas: 2, jobs: 1, mishaps: 1, events: "logout", interruptions: 3},
	{name: "second login", replicas: 2, jobs: 1, mishaps: 1, events: "login", interruptions: 3},
	{name: "logout and second login", replicas: 2, jobs: 1, mishaps: 2, events: "logout login", interruptions: 1},
	{name: "crash", replicas: 2, jobs: 1, mishaps: 1, events: "crash", interruptions: 2},
	{name: "crash and second login", replicas: 2, jobs: 1, mishaps: 2, events: "crash login"},
	{name: "lost answers", replicas: 2, jobs: 1, mishaps: 2, events: "lost", interruptions: 2},
	{name: "lost answers and a logout", replicas: 2, jobs: 1, mishaps: 2, events: "lost logout", interruptions: 1},
	{name: "the store fails", replicas: 2, jobs: 2, mishaps: 2, events: "write", interruptions: 1},
	{name: "the store fails, and a logout", replicas: 2, jobs: 2, mishaps: 2, events: "write logout"},
	{name: "the store fails, and a second login", replicas: 2, jobs: 2, mishaps: 2, events: "write login"},
	{name: "the store fails for longer than a token lives", replicas: 1, jobs: 2, life: 20 * time.Second, mishaps: 3, events: "write later", interruptions: 2},
	{name: "the store fails for longer than a lease", replicas: 2, jobs: 2, life: 20 * time.Second, mishaps: 2, events: "write later", interruptions: 1},
	{name: "a lease runs out", replicas: 2, jobs: 1, mishaps: 1, events: "slow", interruptions: 3},
}

// maxSchedules is where a story is cut short. None comes to it.
const maxSchedules = 100_000

// TestSchedules walks the code itself, as internal/model walks its design: in each
// story, every order in which the calls of all replicas can reach the store and the
// provider, with whatever may happen to them and in between.
func TestSchedules(t *testing.T) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			w, n, diverged := walkStory(t, s)
			require.Empty(t, w.broken, "after %d schedules:\n%s", n, strings.Join(w.log, "\n"))
			require.Less(t, n, maxSchedules)
			t.Logf("%d schedules, %d of them not followed to the end", n, diverged)
		})
	}
}

// TestSchedulesFindWhatIsUnprotected: over a store that does not keep its contract, the
// same walk finds what comes of it.
func TestSchedulesFindWhatIsUnprotected(t *testing.T) {
	for _, s := range []story{
		{without: leases, breaks: "twice without a cause", replicas: 2, jobs: 1, interruptions: 2},
		{without: leaseCompare, breaks: "twice without a cause", replicas: 2, jobs: 1, interruptions: 2},
		{without: compareAndSwap, breaks: "overwrote a second login", replicas: 1, jobs: 1, mishaps: 1, events: "login"},
		{without: tombstone, breaks: "after the logout", replicas: 1, jobs: 1, mishaps: 1, events: "logout"},
	} {
		t.Run(s.without, func(t *testing.T) {
			w, n, _ := walkStory(t, s)
			require.Contains(t, w.broken, s.breaks)
			t.Logf("after %d schedules:\n%s", n, strings.Join(w.log, "\n"))
		})
	}
}

// walkStory walks until something breaks, or all is walked. It returns the last walk.
func walkStory(t *testing.T, s story) (w *walker, n, diverged int) {
	if s.life == 0 {
		s.life = time.Hour
	}
	if s.patience == 0 {
		s.patience = 20 * time.Second
	}
	if strings.Contains(s.events, "slow") || strings.Contains(s.events, "later") {
		s.patience += 30 * time.Second
	}
	for forks := []fork(nil); ; {
		synctest.Test(t, func(t *testing.T) {
			world, err := newWorld(s)
			require.NoError(t, err)
			w = &walker{world: world, forks: forks}
			w.walk()
			w.finish()
		})
		if n++; w.diverged {
			diverged++
		}
		if forks = next(w.forks); w.broken != "" || forks == nil || n == maxSchedules {
			return w, n, diverged
		}
	}
}

// next is the next way through the forks, depth first.
func next(forks []fork) []fork {
	for i := len(forks) - 1; i >= 0; i-- {
		if f := forks[i]; f.taken+1 < len(f.labels) {
			f.taken++
			return append(slices.Clone(forks[:i]), f)
		}
	}
	return nil
}
