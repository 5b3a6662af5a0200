package signon_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
	"github.com/seed1a301047/signon/tokenstore/tokentest"
)

// A block of Go in the README names, in a comment above it, what of the
// example files it shows: of an Example the body, of anything else the declaration with its
// comment. A method is named with its type, "tokenTable.UpdateToken".
var (
	goBlock       = regexp.MustCompile("(?s)(?:<!-- (example|program): ([^\n]*) -->\n)?```go\n(.*?)```\n")
	outputComment = regexp.MustCompile(`(?s)\n\s*// Output:.*$`)
)

func TestREADME(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	sources, err := filepath.Glob("example*_test.go")
	require.NoError(t, err)
	pieces := map[string]string{}
	for _, name := range sources {
		source, err := os.ReadFile(name)
		require.NoError(t, err)
		maps.Copy(pieces, exampleSource(t, string(source)))
	}
	blocks := goBlock.FindAllStringSubmatch(string(readme), -1)
	require.NotEmpty(t, blocks)
	require.Equal(t, strings.Count(string(readme), "```go"), len(blocks), "every block is read")
	for _, block := range blocks {
		kind, names, text := block[1], block[2], block[3]
		require.NotEmpty(t, names, "this block names no Example:\n%s", text)
		if kind == "program" {
			require.Equal(t, pieces[names], bodyOfMain(t, text), names)
			requireCompiles(t, text)
			continue
		}
		var want []string
		for name := range strings.SplitSeq(names, ", ") {
			require.Contains(t, pieces, name)
			want = append(want, pieces[name])
		}
		require.Equal(t, strings.Join(want, "\n"), text, names)
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	inSlug  = regexp.MustCompile(`[^\w\- ]`)
)

func TestREADMELinks(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	slugs := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(string(readme), -1) {
		slugs[strings.ReplaceAll(inSlug.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")] = true
	}
	for _, l := range link.FindAllStringSubmatch(goBlock.ReplaceAllString(string(readme), ""), -1) {
		slug, local := strings.CutPrefix(l[1], "#")
		switch {
		case local:
			require.True(t, slugs[slug], "no heading for #%s", slug)
		case !strings.HasPrefix(l[1], "https://"):
			require.FileExists(t, l[1])
		}
	}
}

// exampleSource is what can be shown, by name.
func exampleSource(t *testing.T, source string) map[string]string {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "example_test.go", source, parser.ParseComments)
	require.NoError(t, err)
	text := func(from, to token.Pos) string {
		return source[files.Position(from).Offset:files.Position(to).Offset]
	}
	pieces := map[string]string{}
	add := func(name string, doc *ast.CommentGroup, d ast.Decl) {
		from := d.Pos()
		if doc != nil {
			from = doc.Pos()
		}
		pieces[name] = text(from, d.End()) + "\n"
	}
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.GenDecl:
			switch spec := d.Specs[0].(type) {
			case *ast.TypeSpec:
				add(spec.Name.Name, d.Doc, d)
			case *ast.ValueSpec:
				add(spec.Names[0].Name, d.Doc, d)
			}
		case *ast.FuncDecl:
			switch {
			case d.Recv != nil:
				add(d.Recv.List[0].Type.(*ast.StarExpr).X.(*ast.Ident).Name+"."+d.Name.Name, d.Doc, d)
			case strings.HasPrefix(d.Name.Name, "Example"):
				pieces[d.Name.Name] = dedent(text(d.Body.Lbrace+1, d.Body.Rbrace))
			default:
				add(d.Name.Name, d.Doc, d)
			}
		}
	}
	return pieces
}

// dedent takes a function's body out of the function.
func dedent(body string) string {
	body = strings.TrimSpace(outputComment.ReplaceAllString(body, ""))
	return strings.ReplaceAll(body, "\n\t", "\n") + "\n"
}

func bodyOfMain(t *testing.T, program string) string {
	t.Helper()
	return exampleSource(t, strings.Replace(program, "func main()", "func Example()", 1))["Example"]
}

// requireCompiles compiles a program as somebody would who has copied it.
func requireCompiles(t *testing.T, program string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(name, []byte(program), 0o600))
	out, err := exec.CommandContext(t.Context(), "go", "vet", name).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// What the README shows does what it says.

func TestExampleTokenTable(t *testing.T) {
	tokentest.Run(t, func(*testing.T) signon.TokenStore { return &tokenTable{} })
}

func TestExampleErrorPage(t *testing.T) {
	provider := signontest.NewInProcess(signontest.Config{Interaction: signontest.Deny})
	auth, err := signon.New(signon.Config{
		BaseURL: "https://app.test", HTTPClient: provider.HTTPClient(), OnError: errorPage,
	})
	require.NoError(t, err)
	_, err = auth.Register(provider.SignonProvider("corp"))
	require.NoError(t, err)
	browser := signontest.NewBrowser(t)
	browser.Serve("https://app.test", auth.Handler())
	browser.Serve(provider.Issuer(), provider)

	page := browser.Get("https://app.test/auth/login/corp").FollowAll(9)
	require.Equal(t, http.StatusForbidden, page.Status)
	require.Contains(t, page.Body, "You were not signed in.")
	require.Contains(t, page.Body, `<a href="/auth/login/corp">`)
	require.Contains(t, page.Fetch(http.MethodGet, "/auth/nothing").Body, `"not_found"`)
}

func TestExampleCountRepos(t *testing.T) {
	provider := signontest.NewInProcess(signontest.Config{})
	provider.Handle("/api/user/repos", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`[{"name": "one"}, {"name": "two"}]`))
	}))
	auth, err := signon.New(signon.Config{
		BaseURL: "https://app.test", HTTPClient: provider.HTTPClient(),
		OnLogin: func(_ context.Context, login *signon.Login) (string, error) { return "user of " + login.Subject, nil },
	})
	require.NoError(t, err)
	github, err := auth.Register(provider.OAuthProvider("github"))
	require.NoError(t, err)
	browser := signontest.NewBrowser(t)
	browser.Serve("https://app.test", auth.Handler())
	browser.Serve(provider.Issuer(), provider)
	browser.Get("https://app.test/auth/login/github").FollowAll(9)

	n, err := countRepos(signon.WithOwner(t.Context(), "user of 9007199254740993"), github)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	_, err = countRepos(signon.WithOwner(t.Context(), "somebody else"), github)
	require.ErrorIs(t, err, signon.ErrNoToken)
}
