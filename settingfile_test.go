package signon_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
)

// CA-12: a secret's file may end with one line feed, which is no part of it. All other
// space is refused, and so is a file that says nothing.
func TestSecretFiles(t *testing.T) {
	for _, tt := range []struct{ name, content, want string }{
		{"as it is", "s3cret", ""}, {"a line feed", "s3cret\n", ""}, {"a carriage return too", "s3cret\r\n", ""},
		{"two line feeds", "s3cret\n\n", "space around"}, {"a space", "s3cret \n", "space around"}, {"only space", "  \n", "space around"},
		{"a carriage return alone", "s3cret\r", "space around"},
		{"empty", "", "is empty"}, {"only a line feed", "\n", "is empty"},
		{"too large", strings.Repeat("s", 64<<10+1), "larger than 65536 bytes"},
		{"UTF-16", "s\x003\x00c\x00r\x00e\x00t\x00", "no plain text"}, {"a byte order mark", "\ufeffs3cret", "no plain text"}, {"no UTF-8", "s3cret\xff", "no plain text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "secret")
			require.NoError(t, os.WriteFile(file, []byte(tt.content), 0o600))
			t.Setenv("MYAPP_CORP_CLIENT_SECRET_FILE", file)
			p := signon.Provider{Name: "corp", ClientID: "app", Issuer: "https://op.test"}
			err := signon.LoadEnv("MYAPP_", &p)
			if err == nil {
				auth, newErr := signon.New(signon.Config{BaseURL: siteURL, Keys: siteKeys, Logger: quiet()})
				require.NoError(t, newErr)
				_, err = auth.Register(p)
			}
			if tt.want == "" {
				require.NoError(t, err)
				require.Equal(t, signon.Secret("s3cret"), p.ClientSecret)
				return
			}
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "s3cret")
		})
	}
}

// A file that is far too large is not read to its end.
func TestSecretFileIsNotReadWhole(t *testing.T) {
	file := filepath.Join(t.TempDir(), "large")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.Truncate(file, 64<<20)) // without a block on the disk
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := signon.LoadEnviron([]string{"CORP_CLIENT_SECRET_FILE=" + file}, "", &signon.Provider{Name: "corp", ClientID: "app"})
	runtime.ReadMemStats(&after)
	require.ErrorContains(t, err, "larger than 65536 bytes")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20))
}
