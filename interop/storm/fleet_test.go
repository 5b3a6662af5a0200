package storm_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// origin is where users find the application: at any of its replicas, as behind a
// load balancer that ends TLS.
const (
	origin     = "https://app.test"
	originHost = "app.test"
)

// settings are those of the replica program.
type settings struct {
	BaseURL, Issuer, TokenURL, APIBaseURL string
	ClientID, ClientSecret                string
	Key                                   []byte
	Database, DSN                         string
}

// A fleet is the replicas of one application and the way to them. It is an
// http.RoundTripper that sends a request for the application to one of those that
// run, in turn, and any other to where it belongs.
type fleet struct {
	t        testing.TB
	program  string
	settings settings // but for TokenURL
	tokenURL string   // and the replica's name after it
	ledger   *ledger
	direct   *http.Transport
	output   *tail

	turn     atomic.Uint64
	mu       sync.Mutex
	replicas []*replica // nil where one is being started
	lives    []int
}

// A replica is one life of one process.
type replica struct {
	name    string // "2.3": the third life of replica 2
	address string
	cmd     *exec.Cmd
	stdin   io.Closer
	gone    chan struct{} // closed when it has ended
	err     error         // then: how
}

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 25 * time.Second
)

// build compiles the replica program.
func build(t testing.TB) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "replica")
	out, err := exec.Command("go", "build", "-o", program, "./replica").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// start runs n replicas at once, and ends them with the test.
func (f *fleet) start(n int) {
	f.t.Helper()
	f.replicas, f.lives = make([]*replica, n), make([]int, n)
	f.direct = &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true}
	f.t.Cleanup(func() {
		for _, r := range f.running() {
			_ = r.cmd.Process.Kill()
			<-r.gone
		}
		f.direct.CloseIdleConnections()
	})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if err := f.launch(i); err != nil {
				f.t.Errorf("replica %d: %v", i, err)
			}
		})
	}
	all.Wait()
	if f.t.Failed() {
		f.t.FailNow()
	}
}

// launch begins a new life of replica i, and waits until it serves.
func (f *fleet) launch(i int) error {
	f.mu.Lock()
	f.lives[i]++
	name := fmt.Sprintf("%d.%d", i, f.lives[i])
	f.mu.Unlock()

	s := f.settings
	s.TokenURL = f.tokenURL + name
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	r := &replica{name: name, cmd: exec.Command(f.program), gone: make(chan struct{})}
	r.cmd.Env = append(os.Environ(), "SIGNON_REPLICA="+string(data), "GOMAXPROCS=2")
	r.cmd.Stderr = f.output.as(name)
	if r.stdin, err = r.cmd.StdinPipe(); err != nil {
		return err
	}
	stdout, err := r.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := r.cmd.Start(); err != nil {
		return err
	}
	ready := make(chan string, 1)
	go func() {
		defer close(r.gone)
		defer close(ready)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if address, ok := strings.CutPrefix(lines.Text(), "READY "); ok {
				ready <- address
			}
		}
		r.err = r.cmd.Wait()
	}()
	select {
	case r.address = <-ready:
	case <-time.After(startTimeout):
	}
	if r.address == "" {
		_ = r.cmd.Process.Kill()
		return errors.New("it did not start: " + f.output.String())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replicas[i] = r
	return nil
}

// kill ends replica i with SIGKILL.
func (f *fleet) kill(i int) {
	f.mu.Lock()
	r := f.replicas[i]
	f.replicas[i] = nil
	f.mu.Unlock()
	if r == nil {
		return
	}
	f.ledger.kill(r.name)
	_ = r.cmd.Process.Kill()
	<-r.gone
}

// stop asks every replica to end, and says which did not do so well.
func (f *fleet) stop() error {
	var failed error
	running := f.running()
	for _, r := range running {
		_ = r.stdin.Close()
	}
	for _, r := range running {
		failed = errors.Join(failed, r.stop())
	}
	return failed
}

// stop asks a replica to end, and waits.
func (r *replica) stop() error {
	_ = r.stdin.Close()
	select {
	case <-r.gone:
	case <-time.After(stopTimeout):
		_ = r.cmd.Process.Kill()
		<-r.gone
	}
	if r.err != nil {
		return fmt.Errorf("replica %s: %w", r.name, r.err)
	}
	return nil
}

func (f *fleet) running() (list []*replica) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.replicas {
		if r != nil {
			list = append(list, r)
		}
	}
	return list
}

// failedAt is a request that a replica did not answer.
type failedAt struct {
	by string
	error
}

func (e failedAt) Unwrap() error { return e.error }

// RoundTrip names the replica in the response's X-Replica.
func (f *fleet) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != originHost {
		return f.direct.RoundTrip(r)
	}
	running := f.running()
	if len(running) == 0 {
		return nil, errors.New("no replica runs")
	}
	to := running[f.turn.Add(1)%uint64(len(running))]
	return f.ask(to, r)
}

// ask sends a request for the application to one replica.
func (f *fleet) ask(to *replica, r *http.Request) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.Host = "http", to.address, originHost
	resp, err := f.direct.RoundTrip(out)
	if err != nil {
		return nil, failedAt{to.name, err}
	}
	resp.Request = r // redirects are relative to what was asked for
	resp.Header.Set("X-Replica", to.name)
	return resp, nil
}

// only is the way to replica i alone.
func (f *fleet) only(i int) http.RoundTripper { return only{f, f.at(i)} }

func (f *fleet) at(i int) *replica {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.replicas[i]
}

type only struct {
	*fleet
	replica *replica
}

func (o only) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != originHost {
		return o.direct.RoundTrip(r)
	}
	return o.ask(o.replica, r)
}

// A tail keeps the end of what the replicas log, for a test that fails.
type tail struct {
	mu    sync.Mutex
	lines []string
}

const tailLength = 400

func (l *tail) as(name string) io.Writer { return tailWriter{l, name} }

type tailWriter struct {
	*tail
	name string
}

func (w tailWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for line := range bytes.Lines(p) {
		w.lines = append(w.lines, w.name+" "+strings.TrimSpace(string(line)))
	}
	if n := len(w.lines); n > tailLength {
		w.lines = append([]string(nil), w.lines[n-tailLength:]...)
	}
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}
