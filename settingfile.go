package signon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"
)

// maxSettingFile bounds a file that holds a secret, a key or a certificate.
const maxSettingFile = 64 << 10

// readSetting reads what an environment variable keeps in a file. Its errors do not even
// show the file's name: who mistakes the variable for the one without _FILE has put the
// secret there.
//
// Only a regular file is opened, or a link to one, as the secrets of containers are: a
// pipe would hold up the start until somebody writes to it.
func readSetting(name string) (string, error) {
	is, err := os.Stat(name)
	if err != nil {
		return "", fmt.Errorf("the file that it names cannot be opened: %w", reason(err))
	}
	if !is.Mode().IsRegular() {
		return "", errors.New("what it names is no regular file; expected a file, or a link to one")
	}
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("the file that it names cannot be opened: %w", reason(err))
	}
	defer f.Close() // it was only read
	data, err := io.ReadAll(io.LimitReader(f, maxSettingFile+1))
	if err != nil {
		return "", fmt.Errorf("the file that it names cannot be read: %w", reason(err))
	}
	return settingText(data)
}

// reason is an error without the name of the file.
func reason(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	return errors.New("an unknown fault")
}

// settingText is what a file says: without one line feed at its end, which editors and
// echo put there.
func settingText(data []byte) (string, error) {
	switch {
	case len(data) > maxSettingFile:
		return "", fmt.Errorf("the file that it names is larger than %d bytes; is it the right one?", maxSettingFile)
	case !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 || bytes.HasPrefix(data, []byte("\ufeff")):
		return "", errors.New("the file that it names is no plain text; expected UTF-8 without a byte order mark")
	}
	text, ended := strings.CutSuffix(string(data), "\n")
	if ended {
		text = strings.TrimSuffix(text, "\r")
	}
	if text == "" {
		return "", errors.New("the file that it names is empty; write the value into it")
	}
	return text, nil
}
