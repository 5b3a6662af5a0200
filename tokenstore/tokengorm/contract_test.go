package tokengorm_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/tokenstore/tokengorm"
	"github.com/seed1a301047/signon/tokenstore/tokentest"
)

var _ signon.TokenStore = (*tokengorm.Store)(nil)

func newStore(t testing.TB, db *gorm.DB) *tokengorm.Store {
	t.Helper()
	store, err := tokengorm.New(db)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(t.Context()))
	return store
}

// RF-16, RF-17, ST-05, ST-06, ST-07, ST-11 in tokentest.
func TestStore(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store := newStore(t, db)
		tokentest.Run(t, func(*testing.T) signon.TokenStore { return store })
	})
}
