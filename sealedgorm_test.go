package signon_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/tokenstore/tokengorm"
	"github.com/seed1a301047/signon/tokenstore/tokentest"
)

// ST-01, ST-04, ST-14: what a database has is sealed, is a TokenStore as before, and is
// sealed anew in place.
func TestSealedTokensInADatabase(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store, err := tokengorm.New(db)
		require.NoError(t, err)
		require.NoError(t, store.Migrate(t.Context()))
		t.Run("contract", func(t *testing.T) {
			tokentest.Run(t, func(t *testing.T) signon.TokenStore {
				_, v := sealing(t, store, nil, keyring(9))
				return &versioned{vault: v}
			})
		})
		require.NoError(t, db.Exec("DELETE FROM signon_tokens").Error)

		log := &logBuffer{}
		_, first := sealing(t, store, log, keyring(1))
		for i := range 50 {
			require.NoError(t, first.SaveToken(t.Context(), owner(i), grown(fmt.Sprint(i))))
		}
		var rows []map[string]any
		require.NoError(t, db.Raw("SELECT * FROM signon_tokens").Scan(&rows).Error)
		require.Len(t, rows, 50)
		for _, row := range rows {
			for column, value := range row {
				require.NotContains(t, fmt.Sprintf("%s", value), "-of-", column)
			}
		}
		auth, v := sealing(t, store, log, keyring(2, 1))
		read, err := v.FetchToken(t.Context(), owner(7))
		require.NoError(t, err)
		report, err := auth.Reseal(t.Context())
		require.NoError(t, err)
		require.Equal(t, []int{50, 0}, rowsOf(report))
		require.NoError(t, v.UpdateToken(t.Context(), owner(7), read, grown("next")), "read before")
		requireToken(t, v, owner(7), grown("next"))
		requireToken(t, v, owner(8), grown("8"))
		require.NotContains(t, log.String(), "stored token")

		for _, column := range []string{"access_token", "refresh_token", "id_token", "token_type", "scope"} {
			require.NoError(t, db.Exec("UPDATE signon_tokens SET "+column+" = (SELECT x FROM (SELECT "+column+" AS x FROM signon_tokens WHERE owner = ?) AS t) WHERE owner = ?", "owner 1", "owner 2").Error)
		}
		requireAbsent(t, v, log, owner(2), movedOrChanged)
		for i, column := range []string{"expires_at", "expires_in", "until", "version"} {
			require.NoError(t, db.Exec("UPDATE signon_tokens SET "+column+" = "+column+" - 1 WHERE owner = ?", owner(10+i).Owner).Error)
			requireAbsent(t, v, log, owner(10+i), movedOrChanged)
		}
	})
}
