package discovery_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/discovery"
	"github.com/seed1a301047/signon/internal/outbound"
)

var errDown = errors.New("connection refused")

// bubble runs a test on a clock of its own.
func bubble(t *testing.T, name string, f func(t *testing.T, p *provider)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f(t, newProvider(t))
			time.Sleep(10 * time.Second) // until what is in the air has landed
		})
	})
}

// waiters calls f in n goroutines and returns what they got once all have it.
func waiters[T any](n int, f func() (T, error)) (values []T, errs []error) {
	values, errs = make([]T, n), make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { values[i], errs[i] = f() })
	}
	all.Wait()
	return values, errs
}

func TestSharedFetch(t *testing.T) {
	// DI-06, G12: a provider that never answers costs each caller ten seconds, and
	// all of them one request.
	bubble(t, "slow", func(t *testing.T, p *provider) {
		p.set(wellKnown, answer{after: time.Hour})
		source := newSource(t, p)
		began := time.Now()
		_, errs := waiters(500, func() (*discovery.Metadata, error) { return source.Metadata(t.Context()) })
		for _, err := range errs {
			require.ErrorIs(t, err, outbound.ErrTimeout)
		}
		require.Equal(t, 10*time.Second, time.Since(began))
		require.Equal(t, 1, p.count(wellKnown))
	})

	// DI-06: the two requests of a discovery share one budget.
	bubble(t, "slow twice", func(t *testing.T, p *provider) {
		p.set(wellKnown, answer{status: 404, after: 9 * time.Second})
		p.set(rfc8414, answer{after: 9 * time.Second})
		began := time.Now()
		_, err := newSource(t, p).Metadata(t.Context())
		require.ErrorIs(t, err, outbound.ErrTimeout)
		require.Equal(t, 10*time.Second, time.Since(began))
	})

	// A longer budget is the application's to ask for.
	bubble(t, "patient client", func(t *testing.T, p *provider) {
		p.set(wellKnown, answer{body: metadata(nil), after: 25 * time.Second})
		source := newSource(t, p, func(c *discovery.Config) {
			c.HTTPClient = outbound.NewClient(&http.Client{Transport: p, Timeout: 30 * time.Second}, outbound.Policy{})
		})
		_, err := source.Metadata(t.Context())
		require.NoError(t, err)
	})

	// DI-15, RT-03:
	//
	//	0 s  the first caller sends the fetch off; a second joins
	//	1 s  the first leaves
	//	5 s  the answer comes: the second has it, and so has the cache
	bubble(t, "first leaves", func(t *testing.T, p *provider) {
		p.set(wellKnown, answer{body: metadata(nil), after: 5 * time.Second})
		source := newSource(t, p)
		first, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		var all sync.WaitGroup
		all.Go(func() {
			_, err := source.Metadata(first)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
		synctest.Wait()
		all.Go(func() {
			_, err := source.Metadata(t.Context())
			require.NoError(t, err)
		})
		all.Wait()
		require.Equal(t, 1, p.count(wellKnown))
	})

	// DI-15: all leave, and the fetch still arrives for those who come later.
	bubble(t, "all leave", func(t *testing.T, p *provider) {
		p.set(jwksURL, answer{body: keySet(t, "a"), after: 5 * time.Second})
		source := newSource(t, p)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := source.Keys(ctx)
		require.ErrorIs(t, err, context.Canceled)
		time.Sleep(5 * time.Second)
		_, err = source.Keys(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, p.count(jwksURL))
	})

	// RT-02: a transport that panics, or ends its goroutine, is an error, not the
	// end of the process, and the next fetch can start.
	for name, fault := range map[string]answer{"panic": {panics: true}, "exit": {exits: true}} {
		bubble(t, name, func(t *testing.T, p *provider) {
			p.set(wellKnown, fault)
			source := newSource(t, p)
			_, err := source.Metadata(t.Context())
			require.Error(t, err)
			p.set(wellKnown, answer{body: metadata(nil)})
			time.Sleep(time.Second)
			_, err = source.Metadata(t.Context())
			require.NoError(t, err)
		})
	}
}

func TestFreshness(t *testing.T) {
	// DI-16, DI-18: one hour by default; then the change is picked up, and who
	// holds the old metadata holds them unchanged.
	bubble(t, "an hour", func(t *testing.T, p *provider) {
		source := newSource(t, p)
		old, err := source.Metadata(t.Context())
		require.NoError(t, err)
		p.set(wellKnown, answer{body: metadata(map[string]any{"token_endpoint": issuer + "/token2"})})

		time.Sleep(time.Hour - time.Second)
		m, err := source.Metadata(t.Context())
		require.NoError(t, err)
		require.Same(t, old, m)
		require.Equal(t, 1, p.count(wellKnown))

		time.Sleep(time.Second) // served once more, while the new ones are on their way
		m, err = source.Metadata(t.Context())
		require.NoError(t, err)
		require.Same(t, old, m)
		synctest.Wait()
		m, err = source.Metadata(t.Context())
		require.NoError(t, err)
		require.Equal(t, issuer+"/token2", m.TokenEndpoint)
		require.Equal(t, issuer+"/token", old.TokenEndpoint)
		require.Equal(t, 2, p.count(wellKnown))
	})

	// DI-18: metadata that nobody used for long are not served before they are
	// renewed, and what is gone is gone.
	bubble(t, "unused for hours", func(t *testing.T, p *provider) {
		p.set(wellKnown, answer{body: metadata(map[string]any{"end_session_endpoint": issuer + "/logout"})})
		source := newSource(t, p)
		m, err := source.Metadata(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, m.EndSessionEndpoint)
		p.set(wellKnown, answer{body: metadata(nil), after: time.Second})
		time.Sleep(5 * time.Hour)
		m, err = source.Metadata(t.Context())
		require.NoError(t, err)
		require.Empty(t, m.EndSessionEndpoint)
	})

	// DI-16: Cache-Control, within its bounds.
	for cache, want := range map[string]time.Duration{
		"max-age=7200": 2 * time.Hour, "max-age=0": time.Minute, "no-store": time.Minute, "max-age=315360000": 24 * time.Hour,
	} {
		bubble(t, cache, func(t *testing.T, p *provider) {
			p.set(jwksURL, answer{body: keySet(t, "a"), cache: cache})
			source := newSource(t, p)
			for _, step := range []struct {
				after time.Duration
				hits  int
			}{{0, 1}, {want - time.Second, 1}, {time.Second, 2}} {
				time.Sleep(step.after)
				_, err := source.Keys(t.Context())
				require.NoError(t, err)
				synctest.Wait()
				require.Equal(t, step.hits, p.count(jwksURL))
			}
		})
	}

	// In the background of use means: however many use it, one fetch, and nobody waits.
	bubble(t, "in the background", func(t *testing.T, p *provider) {
		source := newSource(t, p)
		_, err := source.Keys(t.Context())
		require.NoError(t, err)
		p.set(jwksURL, answer{body: keySet(t, "b"), after: 9 * time.Second})
		time.Sleep(time.Hour)
		began := time.Now()
		_, errs := waiters(500, func() (any, error) { return source.Keys(t.Context()) })
		require.NoError(t, errors.Join(errs...))
		require.Zero(t, time.Since(began))
		time.Sleep(10 * time.Second)
		set, err := source.Keys(t.Context())
		require.NoError(t, err)
		require.True(t, has(t, set, "b"))
		require.Equal(t, 2, p.count(jwksURL))
	})
}

func TestOutage(t *testing.T) {
	// CF-05: down at boot. Nothing stops, each call says so, and few of them ask.
	bubble(t, "at boot", func(t *testing.T, p *provider) {
		p.set(wellKnown, answer{err: errDown})
		source := newSource(t, p)
		for range 6000 { // ten minutes
			_, err := source.Keys(t.Context())
			require.ErrorIs(t, err, outbound.ErrUnreachable)
			time.Sleep(100 * time.Millisecond)
		}
		require.LessOrEqual(t, p.count(wellKnown), 30)
	})

	// CF-05, G10: once there are metadata there are keys: those that were asked for
	// in vain meanwhile do not back off on top of the metadata.
	//
	//	0.00 s  the metadata fail
	//	0.20 s  the keys are asked for, and fail by the metadata's back-off
	//	0.25 s  the metadata are there, and a login begins and ends
	bubble(t, "back", func(t *testing.T, p *provider) {
		p.set(wellKnown, answer{err: errDown})
		source := newSource(t, p)
		_, err := source.Metadata(t.Context())
		require.Error(t, err)
		time.Sleep(200 * time.Millisecond)
		_, err = source.Keys(t.Context())
		require.ErrorIs(t, err, outbound.ErrUnreachable)
		p.set(wellKnown, answer{body: metadata(nil)})
		time.Sleep(50 * time.Millisecond)
		_, err = source.Metadata(t.Context())
		require.NoError(t, err)
		_, err = source.Keys(t.Context())
		require.NoError(t, err)
	})

	// G10: after one fault the next click works.
	bubble(t, "once", func(t *testing.T, p *provider) {
		p.set(wellKnown, answer{status: 500})
		source := newSource(t, p)
		_, err := source.Metadata(t.Context())
		require.Error(t, err)
		p.set(wellKnown, answer{body: metadata(nil)})
		time.Sleep(250 * time.Millisecond)
		_, err = source.Metadata(t.Context())
		require.NoError(t, err)
	})

	// TE-12: a provider that asks for time gets it, up to five minutes.
	for retry, want := range map[string]time.Duration{"120": 2 * time.Minute, "86400": 5 * time.Minute} {
		bubble(t, "Retry-After "+retry, func(t *testing.T, p *provider) {
			p.set(wellKnown, answer{status: 503, retry: retry})
			source := newSource(t, p)
			_, err := source.Metadata(t.Context())
			require.Error(t, err)
			p.set(wellKnown, answer{body: metadata(nil)})
			time.Sleep(want - time.Second)
			_, err = source.Metadata(t.Context())
			var status *outbound.StatusError
			require.ErrorAs(t, err, &status, "the reason is kept")
			time.Sleep(time.Second)
			_, err = source.Metadata(t.Context())
			require.NoError(t, err)
			require.Equal(t, 2, p.count(wellKnown))
		})
	}

	// DI-08, DI-13, RT-08: whatever the fault, the last good copy serves for a day
	// beyond its freshness, at a bounded rate of requests, and then no longer.
	faults := map[string]answer{
		"refused": {err: errDown}, "500": {status: 500}, "404": {status: 404}, "HTML": {body: "<html>", typ: "text/html"},
		"garbage": {body: "{"}, "redirect": {status: 302}, "never": {after: time.Hour},
		"other issuer": {body: metadata(map[string]any{"issuer": "https://evil.example"})},
	}
	for name, fault := range faults {
		bubble(t, name, func(t *testing.T, p *provider) {
			source := newSource(t, p)
			_, err := source.Keys(t.Context())
			require.NoError(t, err)
			good, err := source.Metadata(t.Context())
			require.NoError(t, err)
			p.set(wellKnown, fault)
			p.set(jwksURL, fault)

			const step = 10 * time.Minute
			for at := time.Duration(0); at < 24*time.Hour; at += step {
				began := time.Now()
				m, err := source.Metadata(t.Context())
				require.NoError(t, err)
				require.Same(t, good, m)
				set, err := source.Keys(t.Context())
				require.NoError(t, err)
				require.True(t, has(t, set, "a"))
				require.LessOrEqual(t, time.Since(began), 4*time.Second, "nobody waits long for what is there")
				time.Sleep(step - time.Since(began))
			}
			time.Sleep(90 * time.Minute)
			_, err = source.Metadata(t.Context())
			require.Error(t, err)
			_, err = source.Keys(t.Context())
			require.Error(t, err)
		})
	}

	// The caller's own leaving is no outage.
	bubble(t, "leaving", func(t *testing.T, p *provider) {
		source := newSource(t, p)
		_, err := source.Keys(t.Context())
		require.NoError(t, err)
		p.set(jwksURL, answer{after: time.Hour})
		time.Sleep(2 * time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = source.Keys(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = source.Keys(t.Context())
		require.NoError(t, err)
	})

	// DI-11: a provider that empties its set is believed at once, and looked at
	// again within a minute.
	bubble(t, "emptied", func(t *testing.T, p *provider) {
		source := newSource(t, p)
		_, err := source.Keys(t.Context())
		require.NoError(t, err)
		p.set(jwksURL, answer{body: `{"keys":[]}`, cache: "max-age=86400"})
		set, err := source.Refresh(t.Context())
		require.NoError(t, err)
		require.Zero(t, set.Len())
		p.set(jwksURL, answer{body: keySet(t, "b")})
		time.Sleep(2 * time.Minute)
		set, err = source.Keys(t.Context())
		require.NoError(t, err)
		require.True(t, has(t, set, "b"))
	})
}

func TestRefresh(t *testing.T) {
	// DI-10: a rotation just before signing is met by one refresh.
	bubble(t, "rotation", func(t *testing.T, p *provider) {
		source := newSource(t, p)
		set, err := source.Keys(t.Context())
		require.NoError(t, err)
		p.set(jwksURL, answer{body: keySet(t, "b")})
		require.False(t, has(t, set, "b"))
		fresh, err := source.Refresh(t.Context())
		require.NoError(t, err)
		require.True(t, has(t, fresh, "b"))
		require.False(t, has(t, fresh, "a"), "the old key is gone")
		set, err = source.Keys(t.Context())
		require.NoError(t, err)
		require.Same(t, fresh, set)
		require.Equal(t, 2, p.count(jwksURL))
	})

	// ID-07, LO-36: a hundred tokens with unknown keys, one after the other or all
	// at once, cost four requests in all; then one a minute.
	bubble(t, "a hundred unknown keys", func(t *testing.T, p *provider) {
		source := newSource(t, p)
		for range 100 {
			set, err := source.Keys(t.Context())
			require.NoError(t, err)
			require.False(t, has(t, set, "unknown"))
			set, err = source.Refresh(t.Context())
			require.NoError(t, err)
			require.False(t, has(t, set, "unknown"))
		}
		require.Equal(t, 4, p.count(jwksURL))
		for minute := range 10 {
			time.Sleep(time.Minute)
			for range 100 {
				_, err := source.Refresh(t.Context())
				require.NoError(t, err)
			}
			require.Equal(t, 5+minute, p.count(jwksURL))
		}
		time.Sleep(30 * time.Minute) // full again, and not more than full
		for range 100 {
			_, err := source.Refresh(t.Context())
			require.NoError(t, err)
		}
		require.Equal(t, 17, p.count(jwksURL))
	})
	bubble(t, "a hundred at once", func(t *testing.T, p *provider) {
		p.set(jwksURL, answer{body: keySet(t, "a"), after: time.Second})
		source := newSource(t, p)
		_, errs := waiters(100, func() (any, error) { return source.Refresh(t.Context()) })
		require.NoError(t, errors.Join(errs...))
		require.Equal(t, 1, p.count(jwksURL))
		_, errs = waiters(100, func() (any, error) { return source.Refresh(t.Context()) })
		require.NoError(t, errors.Join(errs...))
		require.Equal(t, 2, p.count(jwksURL))
	})

	// DI-14: while the keys' endpoint fails, unknown keys ask no more often, and
	// their failing costs the known keys nothing.
	bubble(t, "while it fails", func(t *testing.T, p *provider) {
		source := newSource(t, p)
		_, err := source.Keys(t.Context())
		require.NoError(t, err)
		p.set(jwksURL, answer{status: 500})
		failures := 0
		for range 1000 {
			if _, err := source.Refresh(t.Context()); err != nil {
				failures++
			}
			set, err := source.Keys(t.Context())
			require.NoError(t, err)
			require.True(t, has(t, set, "a"))
		}
		require.Equal(t, 1, failures)
		require.Equal(t, 2, p.count(jwksURL))
		time.Sleep(30 * time.Second)
		p.set(jwksURL, answer{body: keySet(t, "b")})
		set, err := source.Refresh(t.Context())
		require.NoError(t, err)
		require.True(t, has(t, set, "b"))
	})

	// DI-15, for a refresh: who asked for it may leave.
	bubble(t, "the one who asked leaves", func(t *testing.T, p *provider) {
		source := newSource(t, p)
		_, err := source.Keys(t.Context())
		require.NoError(t, err)
		p.set(jwksURL, answer{body: keySet(t, "b"), after: 5 * time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err = source.Refresh(ctx)
		require.ErrorIs(t, err, context.Canceled)
		set, err := source.Refresh(t.Context()) // joins what is in the air
		require.NoError(t, err)
		require.True(t, has(t, set, "b"))
		require.Equal(t, 2, p.count(jwksURL))
	})
}
