//go:build unix

package signon_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
)

// A pipe that nobody writes to does not hold up the start. Kubernetes keeps a secret behind
// two links.
func TestSecretFileKinds(t *testing.T) {
	dir := t.TempDir()
	pipe, file, data, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "file"), filepath.Join(dir, "..data"), filepath.Join(dir, "link")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	require.NoError(t, os.WriteFile(file, []byte("s3cret"), 0o600))
	require.NoError(t, os.Symlink(file, data))
	require.NoError(t, os.Symlink(data, link))
	toPipe := filepath.Join(dir, "to-pipe")
	require.NoError(t, os.Symlink(pipe, toPipe))
	for name, fits := range map[string]bool{pipe: false, toPipe: false, dir: false, file: true, link: true} {
		p := signon.Provider{Name: "corp", ClientID: "app"}
		err := signon.LoadEnviron([]string{"CORP_CLIENT_SECRET_FILE=" + name}, "", &p)
		if fits {
			require.NoError(t, err)
			require.Equal(t, signon.Secret("s3cret"), p.ClientSecret)
			continue
		}
		require.ErrorContains(t, err, "CORP_CLIENT_SECRET_FILE: what it names is no regular file")
		require.NotContains(t, err.Error(), dir)
	}
}
