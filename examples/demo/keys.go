package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// openKeys reads the keys that seal the tokens: those of SIGNON_KEYS, or else one that
// the first copy makes in the folder, for copies on this machine.
//
// That is for a demo only: a key beside the database seals it from nobody who copies the
// folder. An application has its keys where it has its other secrets.
func openKeys(env, folder string) ([][]byte, error) {
	if env != "" {
		keys, err := parseKeys(env)
		if err != nil {
			return nil, fmt.Errorf("SIGNON_KEYS: %w", err)
		}
		return keys, nil
	}
	name := filepath.Join(folder, "demo.key")
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeKey(name); err != nil {
			return nil, err
		}
		text, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return keys, nil
}

// parseKeys reads keys with commas between, the one that seals first. What it returns
// says nothing of a key.
func parseKeys(text string) (keys [][]byte, err error) {
	for i, field := range strings.Split(strings.TrimSpace(text), ",") {
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(field))
		if err != nil || len(key) < 32 {
			return nil, fmt.Errorf("key %d is not the base64 of 32 bytes or more, as of: openssl rand -base64 32", i+1)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// makeKey makes a key file, whole or not at all. Of copies that start at once the first
// one makes it, and the others read that one.
func makeKey(name string) error {
	key := make([]byte, 32)
	_, _ = rand.Read(key)                                    // never fails: crypto/rand
	f, err := os.CreateTemp(filepath.Dir(name), "new-key-*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Link(f.Name(), name); errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
