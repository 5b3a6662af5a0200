package signon

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// LoadJSON reads providers from a JSON array of objects, or from one object, each as
// [Provider.UnmarshalJSON] reads it, and each with its "name".
//
// An object whose name is that of a Provider in into says what is different about that
// one: a member that is there takes the place of the field, whole and not merged, null
// makes it zero, and all else stays as it is, the hooks of a preset too. Any other object
// is a provider of its own. LoadJSON returns all of them, first into, then those that are
// new, in the order of the JSON:
//
//	all, err := signon.LoadJSON(text, &github, &google)
//	...
//	err = signon.LoadEnv("MYAPP_", all...)
//
// What is loaded last wins: so here the environment over the JSON, and the JSON over Go.
//
// An unknown member, one that stands there twice, two objects of one name, or one without
// a name is an error that says where, and never shows a value; into is then as it was.
// What has to fit together is checked by [Registry.Register].
func LoadJSON(data []byte, into ...*Provider) ([]*Provider, error) {
	drafts, err := draft(into)
	if err != nil {
		return nil, fmt.Errorf("signon: LoadJSON: %w", err)
	}
	objects, err := splitJSON(data)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for i, object := range objects {
		if err := drafts.change(object, seen); err != nil {
			return nil, fmt.Errorf("signon: LoadJSON: object %d: %w", i+1, err)
		}
	}
	return drafts.commit(), nil
}

// change puts what an object says into the copy that it names.
func (d *drafts) change(object []byte, seen map[string]bool) error {
	w, err := readWritten(object)
	switch {
	case err != nil:
		return err
	case !validName(w.Name):
		return fmt.Errorf("it has no valid \"name\"; expected 1 to %d of a-z, 0-9, '-' and '_', starting with a letter or a digit", maxName)
	case seen[w.Name]:
		return fmt.Errorf("it is the second with the name %q; make one of them", w.Name)
	}
	seen[w.Name] = true
	return w.over(d.named(w.Name))
}

// splitJSON finds the objects; what is in them is not looked at.
func splitJSON(data []byte) ([]jsontext.Value, error) {
	data = bytes.TrimSpace(data)
	if !bytes.HasPrefix(data, []byte("[")) {
		return []jsontext.Value{data}, nil
	}
	var objects []jsontext.Value
	if err := json.Unmarshal(data, &objects, jsontext.AllowDuplicateNames(true)); err != nil {
		return nil, fmt.Errorf("signon: LoadJSON: not one JSON array of objects: %w", err)
	}
	return objects, nil
}

// drafts are copies of providers that are being configured: an error leaves the
// originals as they were.
type drafts struct {
	originals []*Provider
	copies    []*Provider
}

func draft(into []*Provider) (*drafts, error) {
	d := &drafts{}
	names := map[string]bool{}
	for i, p := range into {
		switch {
		case p == nil:
			return nil, fmt.Errorf("provider %d is nil; give a pointer to a Provider", i+1)
		case !validName(p.Name):
			return nil, fmt.Errorf("provider %d has the Name %q; set one, since what is loaded finds its provider by it", i+1, clip(p.Name, maxName))
		case names[p.Name]:
			return nil, fmt.Errorf("two providers have the Name %q; give each its own", p.Name)
		}
		names[p.Name] = true
		changed := *p
		d.originals, d.copies = append(d.originals, p), append(d.copies, &changed)
	}
	return d, nil
}

// named is the copy of that name, a new one if need be.
func (d *drafts) named(name string) *Provider {
	for _, p := range d.copies {
		if p.Name == name {
			return p
		}
	}
	d.originals, d.copies = append(d.originals, &Provider{}), append(d.copies, &Provider{Name: name})
	return d.copies[len(d.copies)-1]
}

func (d *drafts) commit() []*Provider {
	for i, p := range d.copies {
		*d.originals[i] = *p
	}
	return d.originals
}
