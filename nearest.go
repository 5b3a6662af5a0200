package signon

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// nearest is the known name that a misspelt one was probably meant to be, or "".
func nearest[V any](name string, known map[string]V) string {
	best, within := "", 1+min(len(name), maxName)/4
	if len(name) > maxName {
		return ""
	}
	for _, k := range slices.Sorted(maps.Keys(known)) {
		if d := distance(name, k); d <= within {
			best, within = k, d-1
		}
	}
	return best
}

// misspelt reports whether a name that is nobody's is one letter from that of somebody, or
// has two of its letters in the wrong order. Short names are often that near to each other,
// and numbered ones always: those are two names.
func misspelt(name, known string) bool {
	const letters = 4
	if len(known) < letters || len(name) < letters || len(name) > maxName {
		return false
	}
	if strings.Trim(name, "0123456789") == strings.Trim(known, "0123456789") {
		return false
	}
	for i := range len(name) - 1 {
		if name[:i]+name[i+1:i+2]+name[i:i+1]+name[i+2:] == known {
			return true
		}
	}
	return distance(name, known) == 1
}

// calledOtherwise are the members that have not the name of their field, by that: it would
// end with the name of another setting, and a variable be that of two providers.
var calledOtherwise = map[string]string{
	"post_logout_redirect_url": "post_logout_url",
	"post_logout_redirect_uri": "post_logout_url",
}

// orRather is what an error says of it.
func orRather(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(", perhaps %q", name)
}

// distance is how many bytes have to be put in, taken out or changed to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
