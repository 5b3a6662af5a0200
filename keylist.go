package signon

import (
	"crypto"
	"fmt"
	"slices"
	"strings"

	"github.com/seed1a301047/signon/clientauth"
)

// keyList is keys with what belongs to each. Before the keys have been read there may be
// IDs and algorithms alone.
type keyList struct {
	keys      []crypto.PrivateKey
	ids, algs []string // none; or one for each key; or one alg for all
}

func listOf(keys []clientauth.Key) (l keyList) {
	for _, key := range keys {
		l.keys, l.ids, l.algs = append(l.keys, key.Signer), append(l.ids, key.ID), append(l.algs, key.Alg)
	}
	l.forgetEmpty()
	return l
}

// forgetEmpty empties a list that says nothing.
func (l *keyList) forgetEmpty() {
	if !slices.ContainsFunc(l.keys, func(key crypto.PrivateKey) bool { return key != nil }) {
		l.keys = nil
	}
	if strings.Join(l.ids, "") == "" {
		l.ids = nil
	}
	if strings.Join(l.algs, "") == "" {
		l.algs = nil
	}
}

func (l *keyList) len() int {
	if len(l.keys) > 0 {
		return len(l.keys)
	}
	return max(len(l.ids), len(l.algs))
}

// check counts. The error calls each member as called does.
func (l *keyList) check(member string, called func(string) string) error {
	n := l.len()
	if (len(l.ids) == 0 || len(l.ids) == n) && (len(l.algs) <= 1 || len(l.algs) == n) {
		return nil
	}
	counts := fmt.Sprintf("%s has %d keys, %s %d IDs", called(member), len(l.keys), called(member+"_id"), len(l.ids))
	if len(l.algs) > 0 {
		counts += fmt.Sprintf(", %s %d algorithms", called(member+"_alg"), len(l.algs))
	}
	return fmt.Errorf("%s; give one for each key, in the same order", counts)
}

func (l *keyList) clientKeys() (keys []clientauth.Key) {
	for i := range l.len() {
		key := clientauth.Key{ID: at(l.ids, i), Alg: at(l.algs, i)}
		if len(l.algs) == 1 {
			key.Alg = l.algs[0]
		}
		key.Signer, _ = at(l.keys, i).(crypto.Signer) // nil where it is still to come
		keys = append(keys, key)
	}
	return keys
}

func at[T any](list []T, i int) (none T) {
	if i < len(list) {
		return list[i]
	}
	return none
}
