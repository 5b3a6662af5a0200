package sessionstore

import "iter"

// An index finds logins by what they have in common: under each key all of them,
// in a list that runs through the nodes. There is no one slot that a second login
// of the same user could take, and to add or remove costs the same however many
// logins a user has.
type index map[indexKey]*node

type indexKey struct {
	kind   kind
	issuer string
	value  string
}

type kind int

const (
	byOwner kind = iota
	bySubject
	bySID
	kinds
)

type node struct {
	rec   *Record // never changed, only replaced
	links [kinds]struct{ prev, next *node }
}

// keys are the keys of a record; of those with an empty value there is no list.
func (r *Record) keys() [kinds]indexKey {
	keys := [kinds]indexKey{byOwner: {kind: byOwner, value: r.Owner}}
	if r.Issuer != "" {
		keys[bySubject] = indexKey{bySubject, r.Issuer, r.Subject}
		keys[bySID] = indexKey{bySID, r.Issuer, r.SID}
	}
	return keys
}

func (x index) add(n *node) {
	for k, key := range n.rec.keys() {
		if key.value == "" {
			continue
		}
		if first := x[key]; first != nil {
			n.links[k].next = first
			first.links[k].prev = n
		}
		x[key] = n
	}
}

func (x index) remove(n *node) {
	for k, key := range n.rec.keys() {
		if key.value == "" {
			continue
		}
		prev, next := n.links[k].prev, n.links[k].next
		if next != nil {
			next.links[k].prev = prev
		}
		switch {
		case prev != nil:
			prev.links[k].next = next
		case next != nil:
			x[key] = next
		default:
			delete(x, key)
		}
	}
}

// list walks the logins under key.
func (x index) list(key indexKey) iter.Seq[*Record] {
	return func(yield func(*Record) bool) {
		for n := x[key]; n != nil; n = n.links[key.kind].next {
			if !yield(n.rec) {
				return
			}
		}
	}
}

// candidates are the logins that by may select, from the narrowest list.
func (m *Memory) candidates(by Selector) iter.Seq[*Record] {
	switch {
	case by.ID != "":
		return func(yield func(*Record) bool) {
			if n, ok := m.logins.Get(by.ID); ok {
				yield(n.rec)
			}
		}
	case by.Issuer != "" && by.SID != "":
		return m.index.list(indexKey{bySID, by.Issuer, by.SID})
	case by.Issuer != "" && by.Subject != "":
		return m.index.list(indexKey{bySubject, by.Issuer, by.Subject})
	}
	return m.index.list(indexKey{kind: byOwner, value: by.Owner})
}
