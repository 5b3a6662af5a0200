package signontest

import (
	"html"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// An HTMLForm is a form of a page.
type HTMLForm struct {
	ID, Name string
	Method   string // GET or POST
	Action   string // as written, or the page's own URL
	Fields   []Field
}

// A Field is what a form sends of itself: an input, a textarea, or what is selected
// of a select. Buttons, disabled fields and unchecked boxes are not among them.
type Field struct{ Name, Value string }

// Forms returns the forms of the page. It reads HTML as test pages have it: no
// comments, scripts or templates with forms in them.
func (p *Page) Forms() []HTMLForm {
	var forms []HTMLForm
	for rest := p.Body; ; {
		start := formStart.FindStringSubmatchIndex(rest)
		if start == nil {
			return forms
		}
		attrs := attributes(rest[start[2]:start[3]])
		rest = rest[start[1]:]
		inner, after, _ := cutFold(rest, "</form")
		f := HTMLForm{
			ID: attrs["id"], Name: attrs["name"], Method: http.MethodGet,
			Action: attrs["action"], Fields: fields(inner),
		}
		if strings.EqualFold(attrs["method"], "post") {
			f.Method = http.MethodPost
		}
		if f.Action == "" {
			f.Action = p.URL.String()
		}
		forms = append(forms, f)
		rest = after
	}
}

func (p *Page) form(which string) (HTMLForm, bool) {
	forms := p.Forms()
	n, err := strconv.Atoi(which)
	for i, f := range forms {
		if which == "" || err == nil && n == i || slices.Contains([]string{f.ID, f.Name, f.Action}, which) {
			return f, true
		}
	}
	return HTMLForm{}, false
}

const attrPattern = `((?:\s+|/|[^\s"'>=/]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]*))?)*)`

var (
	frameTag  = regexp.MustCompile(`(?i)<iframe\b` + attrPattern + `>`)
	formStart = regexp.MustCompile(`(?i)<form\b` + attrPattern + `>`)
	fieldTag  = regexp.MustCompile(`(?i)<(input|textarea|select|option)\b` + attrPattern + `>`)
	attribute = regexp.MustCompile(`([^\s"'>=/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]*)))?`)
)

func attributes(s string) map[string]string {
	attrs := map[string]string{}
	for _, m := range attribute.FindAllStringSubmatch(s, -1) {
		name := strings.ToLower(m[1])
		if _, twice := attrs[name]; !twice {
			attrs[name] = html.UnescapeString(m[2] + m[3] + m[4])
		}
	}
	return attrs
}

func fields(inner string) []Field {
	var got []Field
	for _, m := range fieldTag.FindAllStringSubmatchIndex(inner, -1) {
		attrs := attributes(inner[m[4]:m[5]])
		_, disabled := attrs["disabled"]
		if attrs["name"] == "" || disabled {
			continue
		}
		switch strings.ToLower(inner[m[2]:m[3]]) {
		case "input":
			if value, sent := inputValue(attrs); sent {
				got = append(got, Field{attrs["name"], value})
			}
		case "textarea":
			text, _, _ := cutFold(inner[m[1]:], "</textarea")
			got = append(got, Field{attrs["name"], html.UnescapeString(strings.TrimPrefix(text, "\n"))})
		case "select":
			options, _, _ := cutFold(inner[m[1]:], "</select")
			got = append(got, Field{attrs["name"], selected(options)})
		}
	}
	return got
}

func inputValue(attrs map[string]string) (value string, sent bool) {
	value = attrs["value"]
	switch strings.ToLower(attrs["type"]) {
	case "submit", "button", "image", "reset", "file":
		return "", false
	case "checkbox", "radio":
		if _, given := attrs["value"]; !given {
			value = "on"
		}
		_, sent = attrs["checked"]
		return value, sent
	}
	return value, true
}

// selected is the selected option, else the first.
func selected(options string) string {
	value := ""
	for i, m := range fieldTag.FindAllStringSubmatchIndex(options, -1) {
		attrs := attributes(options[m[4]:m[5]])
		_, chosen := attrs["selected"]
		if i > 0 && !chosen {
			continue
		}
		v, given := attrs["value"]
		if !given {
			text, _, _ := strings.Cut(options[m[1]:], "<")
			v = strings.TrimSpace(html.UnescapeString(text))
		}
		value = v
		if chosen {
			return value
		}
	}
	return value
}

// cutFold is strings.Cut for an end tag in any case.
func cutFold(s, sep string) (before, after string, found bool) {
	if i := strings.Index(strings.ToLower(s), sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
