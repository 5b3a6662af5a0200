package signon_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/seed1a301047/signon"

type listedPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func listPackages(t *testing.T) map[string]listedPackage {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", "./...").Output()
	require.NoError(t, err)
	packages := map[string]listedPackage{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listedPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		packages[p.ImportPath] = p
	}
	require.Contains(t, packages, module)
	return packages
}

// TestImports holds the three rules about imports.
func TestImports(t *testing.T) {
	packages := listPackages(t)

	t.Run("leaves do not import the root", func(t *testing.T) {
		mayImport := []string{"/tokenstore/tokentest", "/signontest", "/providers", "/examples/"}
		for path, p := range packages {
			exempt := path == module
			for _, may := range mayImport {
				exempt = exempt || strings.HasPrefix(path, module+may)
			}
			if !exempt {
				require.NotContains(t, p.Deps, module, "%s depends on the root", path)
			}
		}
	})

	t.Run("the root is free of databases and test servers", func(t *testing.T) {
		for _, dep := range packages[module].Deps {
			for _, word := range []string{"gorm", "sqlite", "testify", "signontest", "net/http/httptest", "database/sql", "testing"} {
				require.NotContains(t, dep, word)
			}
		}
	})

	t.Run("jwx is imported by internal/jose and internal/oidc only", func(t *testing.T) {
		for path, p := range packages {
			if path == module+"/internal/jose" || path == module+"/internal/oidc" {
				continue
			}
			for _, imported := range p.Imports {
				require.False(t, strings.HasPrefix(imported, "github.com/lestrrat-go/jwx"), "%s imports %s", path, imported)
			}
		}
	})
}
