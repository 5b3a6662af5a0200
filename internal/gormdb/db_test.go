package gormdb_test

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/internal/gormdb"
)

var things = gormdb.Table{
	Name: "things",
	Columns: []gormdb.Column{
		{"id", gormdb.Key}, {"label", gormdb.Name}, {"body", gormdb.Text}, {"raw", gormdb.Bytes}, {"count", gormdb.Int}, {"made", gormdb.Int},
	},
	Key:     []string{"id"},
	Indexes: [][]string{{"label"}, {"count", "made"}},
}

func open(t *testing.T, g *gorm.DB) *gormdb.DB {
	t.Helper()
	db, err := gormdb.New(g)
	require.NoError(t, err)
	require.NoError(t, db.Migrate(t.Context(), things))
	return db
}

func TestStatements(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, g *gorm.DB) {
		db, ctx := open(t, g), t.Context()
		upsert := db.Upsert(things, "made")
		_, err := db.Exec(ctx, upsert, "a", "first", "text", []byte{0, 255}, 1, 100)
		require.NoError(t, err)
		_, err = db.Exec(ctx, upsert, "a", "second", "", []byte{}, -1<<63, 200)
		require.NoError(t, err)

		n, err := db.Exec(ctx, db.InsertNew(things), "a", "third", "", []byte{}, 3, 300)
		require.NoError(t, err)
		require.Zero(t, n, "there is one already")
		n, err = db.Exec(ctx, db.InsertNew(things), "A", "capital", "", []byte{1}, 3, 300)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)

		var label string
		var count, made int64
		read := "SELECT label, count, made FROM things WHERE id = ?"
		require.NoError(t, db.Row(ctx, read, gormdb.Args{"a"}, &label, &count, &made))
		require.Equal(t, []any{"second", int64(-1 << 63), int64(100)}, []any{label, count, made})
		require.ErrorIs(t, db.Row(ctx, read, gormdb.Args{"b"}, &label, &count, &made), sql.ErrNoRows)

		ids, err := gormdb.Query(ctx, db, "SELECT id FROM things ORDER BY id LIMIT 10", nil, func(rows *sql.Rows) (id string, err error) {
			return id, rows.Scan(&id)
		})
		require.NoError(t, err)
		require.Equal(t, []string{"A", "a"}, ids, "in the order of bytes")
	})
}

func TestNow(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, g *gorm.DB) {
		db := open(t, g)
		_, err := db.Exec(t.Context(), db.InsertNew(things), "a", "", "", []byte{}, 0, 0)
		require.NoError(t, err)
		before := time.Now()
		n, err := db.Exec(t.Context(), "UPDATE things SET count = "+db.Now()+" + ? WHERE id = ? AND count <= "+db.Now(), 60_000, "a")
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		var got int64
		require.NoError(t, db.Row(t.Context(), "SELECT count FROM things WHERE id = ?", gormdb.Args{"a"}, &got))
		require.WithinRange(t, time.UnixMilli(got), before.Add(time.Minute-2*time.Millisecond), time.Now().Add(time.Minute+2*time.Millisecond))
	})
}

func TestNewRefuses(t *testing.T) {
	g := dbtest.Open(t, dbtest.SQLite)
	failed := g.Session(&gorm.Session{})
	_ = failed.AddError(gorm.ErrInvalidDB)
	for name, db := range map[string]*gorm.DB{
		"nil":           nil,
		"empty":         {},
		"with an error": failed,
		"dry run":       g.Session(&gorm.Session{DryRun: true}),
		"transaction":   g.Begin(),
	} {
		_, err := gormdb.New(db)
		require.Error(t, err, name)
	}
	_, err := gormdb.New(&gorm.DB{Config: &gorm.Config{Dialector: other{g.Dialector}}, Statement: g.Statement})
	require.ErrorContains(t, err, "oracle")
}

type other struct{ gorm.Dialector }

func (other) Name() string { return "oracle" }

// A plugin sees each statement, and one that keeps it to itself is an error and no panic.
func TestPlugins(t *testing.T) {
	g := dbtest.Open(t, dbtest.SQLite)
	db := open(t, g)
	var seen []string
	see := func(tx *gorm.DB) { seen = append(seen, tx.Statement.SQL.String()) }
	require.NoError(t, g.Callback().Row().Before("gorm:row").Register("test:see", see))
	require.NoError(t, g.Callback().Raw().Before("gorm:raw").Register("test:see", see))
	const read, write = "SELECT id FROM things WHERE id = ?", "DELETE FROM things WHERE id = ?"
	one := func() error { return db.Row(t.Context(), read, gormdb.Args{"a"}, new(string)) }
	all := func() error {
		_, err := gormdb.Query(t.Context(), db, read, gormdb.Args{"a"}, func(*sql.Rows) (int, error) { return 0, nil })
		return err
	}
	require.ErrorIs(t, one(), sql.ErrNoRows)
	require.NoError(t, all())
	_, err := db.Exec(t.Context(), write, "a")
	require.NoError(t, err)
	require.Equal(t, []string{read, read, write}, seen)

	require.NoError(t, g.Callback().Row().Replace("gorm:row", func(*gorm.DB) {}))
	require.ErrorContains(t, one(), "plugin")
	require.ErrorContains(t, all(), "plugin")
}

// The application's own session stays as it was.
func TestNewChangesNothing(t *testing.T) {
	log := new(recorder)
	g := dbtest.Open(t, dbtest.SQLite).Session(&gorm.Session{Logger: log})
	open(t, g)
	log.lines = nil
	require.NoError(t, g.Exec("SELECT ?", "parameter").Error)
	require.Contains(t, log.lines[0], "parameter", "the application's statements are logged as before")
	require.IsType(t, new(sql.DB), g.Statement.ConnPool)
}

// ST-14
func TestLoggerSeesNoParameter(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, g *gorm.DB) {
		log := new(recorder)
		db := open(t, g.Session(&gorm.Session{Logger: log}))
		_, err := db.Exec(t.Context(), db.InsertNew(things), "secret", "secret", "secret", []byte("secret"), 7654321, 0)
		require.NoError(t, err)
		require.ErrorIs(t, db.Row(t.Context(), "SELECT id FROM things WHERE label = ? AND body = ?", gormdb.Args{"secret", "x"}, new(string)), sql.ErrNoRows)
		_, err = db.Exec(t.Context(), "UPDATE nowhere SET id = ?", "secret")
		require.ErrorContains(t, err, "Migrate")
		require.GreaterOrEqual(t, len(log.lines), 3)
		all := strings.Join(log.lines, "\n")
		require.Contains(t, all, "INTO things")
		require.NotContains(t, all, "secret")
		require.NotContains(t, all, "7654321")
	})
}

// A recorder is a logger that wants everything.
type recorder struct {
	mu    sync.Mutex
	lines []string
}

func (r *recorder) LogMode(logger.LogLevel) logger.Interface   { return r }
func (r *recorder) Info(_ context.Context, s string, a ...any) {}
func (r *recorder) Warn(_ context.Context, s string, a ...any) {}
func (r *recorder) Error(_ context.Context, s string, a ...any) {
}

func (r *recorder) Trace(_ context.Context, _ time.Time, f func() (string, int64), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text, _ := f()
	if err != nil {
		text += " " + err.Error()
	}
	r.lines = append(r.lines, text)
}

func TestContextDone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, g *gorm.DB) {
		db := open(t, g)
		done, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := db.Exec(done, db.InsertNew(things), "a", "", "", []byte{}, 0, 0)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, db.Row(done, "SELECT id FROM things LIMIT 1", nil, new(string)), context.Canceled)
		require.ErrorIs(t, db.Row(t.Context(), "SELECT id FROM things LIMIT 1", nil, new(string)), sql.ErrNoRows)
		require.ErrorIs(t, db.Migrate(done, things), context.Canceled)
		require.ErrorIs(t, db.Check(done, things), context.Canceled)
	})
}

// What one statement decides it decides with a driver that counts rows otherwise too.
func TestFoundRows(t *testing.T) {
	dsn := dbtest.DSN(t, dbtest.MariaDB) + "?clientFoundRows=true"
	db, ctx := open(t, dbtest.OpenDSN(t, dbtest.MariaDB, dsn)), t.Context()
	for _, want := range []int64{1, 0, 0} {
		n, err := db.Exec(ctx, db.InsertNew(things), "a", "", "", []byte{}, 0, 0)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
}

func TestDeleteSome(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, g *gorm.DB) {
		db, ctx := open(t, g), t.Context()
		for i := range 25 {
			_, err := db.Exec(ctx, db.InsertNew(things), string('a'+rune(i)), "", "", []byte{}, i, 0)
			require.NoError(t, err)
		}
		for _, want := range []int64{8, 8, 4, 0} {
			n, err := db.Exec(ctx, db.DeleteSome(things, "count < ?"), 20, 8)
			require.NoError(t, err)
			require.Equal(t, want, n)
		}
	})
}

// ST-09: the tables of Schema are those of Migrate, and each difference is named.
func TestCheck(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, g *gorm.DB) {
		db, err := gormdb.New(g)
		require.NoError(t, err)
		require.ErrorIs(t, db.Check(t.Context(), things), gormdb.ErrSchema)
		for _, statement := range db.Schema(things) {
			require.NoError(t, g.Exec(statement).Error)
		}
		require.NoError(t, db.Check(t.Context(), things))
		for name, edit := range map[string]func(*gormdb.Table){
			"column label": func(t *gormdb.Table) { t.Columns[1].Type = gormdb.Int },
			"column count": func(t *gormdb.Table) { t.Columns[4].Type = gormdb.Bytes },
			"column raw":   func(t *gormdb.Table) { t.Columns[3].Type = gormdb.Int },
			"column made":  func(t *gormdb.Table) { t.Columns = t.Columns[:5] },
			"column more":  func(t *gormdb.Table) { t.Columns = append(t.Columns, gormdb.Column{Name: "more", Type: gormdb.Text}) },
			"primary key":  func(t *gormdb.Table) { t.Key = []string{"id", "label"} },
		} {
			other := things
			other.Columns = append([]gormdb.Column(nil), things.Columns...)
			edit(&other)
			require.ErrorIs(t, db.Check(t.Context(), other), gormdb.ErrSchema, name)
			require.ErrorContains(t, db.Check(t.Context(), other), name)
		}
	})
}
