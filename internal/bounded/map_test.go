package bounded_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/bounded"
)

var never time.Time

func TestPutGetDelete(t *testing.T) {
	m := bounded.New[string, int](10)
	_, ok := m.Get("a")
	require.False(t, ok)
	_, ok = m.Delete("a")
	require.False(t, ok)

	m.Put("a", 1, never)
	m.Put("a", 2, never)
	got, ok := m.Get("a")
	require.True(t, ok)
	require.Equal(t, 2, got)
	require.Equal(t, 1, m.Len())

	got, ok = m.Delete("a")
	require.True(t, ok)
	require.Equal(t, 2, got)
	_, ok = m.Get("a")
	require.False(t, ok)
	require.Zero(t, m.Len())
}

func TestTheLeastUsedGoes(t *testing.T) {
	m := bounded.New[string, int](3)
	m.Put("a", 1, never)
	m.Put("b", 2, never)
	m.Put("c", 3, never)
	m.Get("a")
	m.Touch("b", never)
	m.Put("d", 4, never) // c was not used for longest
	require.Equal(t, map[string]int{"a": 1, "b": 2, "d": 4}, maps.Collect(m.All()))
	m.Put("e", 5, never)
	require.Equal(t, map[string]int{"b": 2, "d": 4, "e": 5}, maps.Collect(m.All()))

	m = bounded.New[string, int](1)
	m.Put("a", 1, never)
	m.Put("b", 2, never)
	require.Equal(t, map[string]int{"b": 2}, maps.Collect(m.All()))
}

func TestAdd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := bounded.New[string, int](2)
		soon := time.Now().Add(time.Minute)
		require.True(t, m.Add("a", 1, soon))
		require.False(t, m.Add("a", 2, never))
		m.Put("b", 1, never)
		require.False(t, m.Add("a", 3, never), "a failed Add does not use the entry")
		m.Put("c", 1, never)
		require.True(t, m.Add("a", 4, soon), "the entry has gone")
		time.Sleep(time.Minute)
		require.True(t, m.Add("a", 5, soon.Add(time.Minute)), "the entry has expired")
		got, _ := m.Get("a")
		require.Equal(t, 5, got)
	})
}

func TestUpdate(t *testing.T) {
	m := bounded.New[string, int](10)
	add := func(by int, keep bool) func(int, bool) (int, time.Time, bool) {
		return func(v int, _ bool) (int, time.Time, bool) { return v + by, never, keep }
	}
	m.Update("a", add(1, false))
	require.Zero(t, m.Len())
	m.Update("a", add(2, true))
	m.Update("a", add(3, true))
	got, ok := m.Get("a")
	require.True(t, ok)
	require.Equal(t, 5, got)
	m.Update("a", add(0, false))
	require.Zero(t, m.Len())

	require.Panics(t, func() { m.Update("a", func(int, bool) (int, time.Time, bool) { panic("f") }) })
	require.Zero(t, m.Len(), "the lock is free again")
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := bounded.New[string, int](10)
		m.Put("a", 1, time.Now().Add(time.Minute))
		m.Put("touched", 1, time.Now().Add(time.Minute))
		m.Put("far", 1, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)) // ST-11
		m.Put("past", 1, time.Unix(1, 0))
		m.Put("never", 1, never)

		time.Sleep(time.Minute - 1)
		_, ok := m.Get("a")
		require.True(t, ok)
		_, ok = m.Touch("touched", time.Now().Add(time.Hour))
		require.True(t, ok)
		time.Sleep(time.Nanosecond)

		require.Equal(t, map[string]int{"touched": 1, "far": 1, "never": 1}, maps.Collect(m.All()))
		_, ok = m.Get("a")
		require.False(t, ok, "at its expiry an entry is gone")
		_, ok = m.Touch("past", never)
		require.False(t, ok)
		m.Update("a", func(v int, ok bool) (int, time.Time, bool) {
			require.False(t, ok)
			require.Zero(t, v)
			return 0, never, false
		})
		time.Sleep(time.Hour)
		_, ok = m.Get("touched")
		require.False(t, ok)
	})
}

// What has expired is swept although nobody asks for it, and behind entries that
// never expire too. ST-10
func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := bounded.New[int, int](1_000_000)
		for i := range 1000 {
			m.Put(-i-1, i, never)
		}
		most := 0
		for i := range 100_000 {
			m.Put(i, i, time.Now().Add(time.Second))
			time.Sleep(time.Millisecond) // a thousand of them live
			most = max(most, m.Len())
		}
		require.Less(t, most, 4000)
		for i := range 1000 {
			_, ok := m.Get(-i - 1)
			require.True(t, ok, "swept before its time")
		}
	})
}

func TestRemovedHearsOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone []string
		m := bounded.NewFunc(3, func(k string, v int) { gone = append(gone, fmt.Sprint(k, v)) })
		m.Put("deleted", 1, never)
		m.Delete("deleted")
		m.Put("updated", 2, never)
		m.Update("updated", func(int, bool) (int, time.Time, bool) { return 0, never, false })
		m.Put("expired", 3, time.Now().Add(time.Second))
		time.Sleep(time.Second)
		m.Get("expired")
		m.Put("evicted", 4, never)
		m.Put("replaced", 5, never)
		m.Put("replaced", 6, never)
		m.Put("a", 0, never)
		m.Put("b", 0, never)
		require.Equal(t, []string{"deleted1", "updated2", "expired3", "evicted4"}, gone)
	})
}

// ST-10
func TestBound(t *testing.T) {
	before := runtime.NumGoroutine()
	m := bounded.New[int, int](1000)
	for i := range 1_000_000 {
		m.Put(i, i, time.Now().Add(time.Hour))
	}
	require.Equal(t, 1000, m.Len())
	require.LessOrEqual(t, runtime.NumGoroutine(), before)
}

func TestNewPanics(t *testing.T) {
	require.Panics(t, func() { bounded.New[int, int](0) })
	require.Panics(t, func() { bounded.New[int, int](-1) })
}

func TestAllStops(t *testing.T) {
	m := bounded.New[int, int](10)
	for i := range 5 {
		m.Put(i, i, never)
	}
	for k := range m.All() {
		require.Equal(t, 4, k, "the last used comes first")
		m.Delete(k) // the loop may use the map
		break
	}
	require.Equal(t, 4, m.Len())
}

func TestConcurrently(t *testing.T) {
	m := bounded.New[string, int](50)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 2000 {
				k := strconv.Itoa(i * (g + 1) % 100)
				m.Put(k, i, time.Now().Add(time.Duration(i%3)*time.Microsecond))
				m.Get(k)
				m.Update(k, func(v int, ok bool) (int, time.Time, bool) { return v, never, i%2 == 0 })
				m.Delete(strconv.Itoa(i % 100))
			}
		})
	}
	all.Wait()
	require.LessOrEqual(t, m.Len(), 50)
}

// TestModel holds a Map that is never full to a plain map, while time goes by.
func TestModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type value struct {
			v      int
			expiry time.Time
		}
		m, model := bounded.New[int, int](16), make(map[int]value)
		random := rand.New(rand.NewPCG(1, 2))
		for i := range 100_000 {
			k := random.IntN(16)
			switch random.IntN(4) {
			case 0, 1:
				expiry := time.Now().Add(time.Duration(random.IntN(50)))
				m.Put(k, i, expiry)
				model[k] = value{i, expiry}
			case 2:
				m.Delete(k)
				delete(model, k)
			case 3:
				time.Sleep(time.Duration(random.IntN(5)))
			}
			k = random.IntN(16)
			got, ok := m.Get(k)
			want, exists := model[k]
			require.Equal(t, exists && time.Now().Before(want.expiry), ok)
			if ok {
				require.Equal(t, want.v, got)
			}
		}
	})
}

// FuzzMap holds a Map that is never full to a plain map.
func FuzzMap(f *testing.F) {
	f.Add([]byte{0x00, 0x41, 0x82, 0xC3, 0x10, 0x51})
	f.Fuzz(func(t *testing.T, ops []byte) {
		m, model := bounded.New[byte, int](16), make(map[byte]int)
		for i, op := range ops {
			k := op & 15
			switch op >> 6 {
			case 0:
				m.Put(k, i, never)
				model[k] = i
			case 1:
				m.Put(k, i, time.Unix(1, 0))
				delete(model, k)
			case 2:
				m.Delete(k)
				delete(model, k)
			case 3:
				got, ok := m.Get(k)
				want, exists := model[k]
				require.Equal(t, exists, ok)
				require.Equal(t, want, got)
			}
		}
		require.Equal(t, model, maps.Collect(m.All()))
	})
}

func BenchmarkGet(b *testing.B) {
	m := bounded.New[string, *int](100_000)
	for i := range 100_000 {
		m.Put(strconv.Itoa(i), new(i), time.Now().Add(time.Hour))
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Get("5000")
	}
}
