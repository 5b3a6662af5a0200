package signon

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// LoadEnv sets fields of the providers from environment variables. The name of a variable
// is prefix, the provider's Name in capitals with '_' for '-', '_', and the JSON name of
// the field in capitals; see [Provider.UnmarshalJSON] for those. One is not its field's:
// PostLogoutRedirectURL is POST_LOGOUT_URL. With the prefix "MYAPP_"
// and a provider "github":
//
//	MYAPP_GITHUB_CLIENT_ID=Iv1.8a61f9b3a7aba766
//	MYAPP_GITHUB_CLIENT_SECRET_FILE=/run/secrets/github
//	MYAPP_GITHUB_SCOPES=read:user user:email
//
// A variable takes the place of the field, whatever it was: what is loaded last wins, so
// call LoadEnv after [LoadJSON] to have the environment over the JSON, and the JSON over Go.
// A field without a variable stays as it is.
//
// # Values
//
// A list is separated by spaces, AUTHORIZE_PARAMS, TOKEN_PARAMS, CLIENT_CREDENTIALS_PARAMS and
// END_SESSION_PARAMS are query strings such as audience=api&prompt=consent, MAX_AGE is a
// number of seconds, a switch is true or false, and JWKS is JSON.
// CLIENT_SECRET, CLIENT_KEY, CLIENT_CERTIFICATE, DECRYPTION_KEY and JWKS
// may instead be in a file that the variable with _FILE at its end names, of at most 64 KiB.
// One line feed at the end of the file, or carriage return and line feed, is no part of
// the value; any other space is, and Register refuses a secret that has it around.
//
// # Errors
//
// An error names the variable and never shows a value or what is in a file; the providers are then as
// they were. It is one if a variable is set but empty, if it is set beside its _FILE, if the file
// cannot be read, is empty or is no text, if a value is malformed, or if a secret or a key is
// set for a provider that has no client id from anywhere.
//
// A variable that begins as a provider's do but names none of its settings is one too, as it is
// most often misspelt: no CLIENT_SERCET leaves the application without its secret. Of
// providers "google" and "google_workspace", GOOGLE_WORKSPACE_ID is the latter's. Where
// others use such names too, such as GITHUB_TOKEN and GITHUB_ACTIONS on build machines, choose a
// prefix of your own. It must be empty or end with '_'.
//
// With a prefix so is one that names a setting of a provider whose name is nearly that of one of
// these, by one letter, as MYAPP_GOGLE_CLIENT_SECRET is: load all that share a prefix in one call.
func LoadEnv(prefix string, into ...*Provider) error {
	return loadEnviron(os.Environ(), prefix, into)
}

func loadEnviron(environ []string, prefix string, into []*Provider) error {
	drafts, err := draft(into)
	if err != nil {
		return fmt.Errorf("signon: LoadEnv: %w", err)
	}
	e := environment{prefix: prefix, known: envSettings()}
	if err := e.setOwners(drafts.copies); err != nil {
		return fmt.Errorf("signon: LoadEnv: %w", err)
	}
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(entry, "=")
		if err := e.take(name, value); err != nil {
			return fmt.Errorf("signon: environment: %w", err)
		}
	}
	for _, owner := range e.owners {
		if err := owner.apply(); err != nil {
			return fmt.Errorf("signon: environment: %w", err)
		}
	}
	drafts.commit()
	return nil
}

// environment sorts variables by whose they are.
type environment struct {
	prefix string
	known  map[string]envSetting
	owners []*envOwner // the longest prefix first
}

// An envSetting is what a variable sets, by what stands behind the provider's prefix.
type envSetting struct {
	member string
	field  reflect.StructField
	file   bool // the value is in the file that the variable names
}

// inFile are the members that may be in a file: those that are secret, or many lines long.
var inFile = []string{"client_secret", "client_key", "client_certificate", "decryption_key", "jwks"}

func envSettings() map[string]envSetting {
	known := map[string]envSetting{}
	for member, field := range settings() {
		name := strings.ToUpper(member)
		if member != "name" { // by which the variables themselves are found
			known[name] = envSetting{member: member, field: field}
		}
		if slices.Contains(inFile, member) {
			known[name+"_FILE"] = envSetting{member: member, field: field, file: true}
		}
	}
	return known
}

// An envOwner is a provider with what its variables say.
type envOwner struct {
	prefix   string
	provider *Provider
	written  *written
}

func (e *environment) setOwners(providers []*Provider) error {
	letters := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
	if e.prefix != "" && (!strings.HasSuffix(e.prefix, "_") || strings.Trim(e.prefix, letters) != "") {
		return fmt.Errorf("the prefix %q; expected letters, digits and '_' with '_' at the end, such as MYAPP_, or none", clip(e.prefix, maxName))
	}
	for _, p := range providers {
		prefix := e.prefix + strings.ToUpper(strings.ReplaceAll(p.Name, "-", "_")) + "_"
		for _, other := range e.owners {
			if other.prefix == prefix {
				return fmt.Errorf("providers %q and %q have the same variables, %s...; change one Name", other.provider.Name, p.Name, prefix)
			}
		}
		w := newWritten()
		w.Name, w.variables, w.prefix = p.Name, map[string]string{}, prefix
		e.owners = append(e.owners, &envOwner{prefix: prefix, provider: p, written: w})
	}
	slices.SortFunc(e.owners, func(a, b *envOwner) int { return len(b.prefix) - len(a.prefix) })
	return nil
}

// take gives a variable to the provider that it belongs to, if there is one: of those
// whose prefix it has, the one whose setting it names. No known name ends with
// another, so that cannot be two.
func (e *environment) take(name, value string) error {
	var nearly *envOwner
	for _, owner := range e.owners {
		rest, ok := strings.CutPrefix(name, owner.prefix)
		if !ok {
			continue
		}
		if setting, ok := e.known[rest]; ok {
			return owner.set(setting, name, value)
		}
		if nearly == nil {
			nearly = owner
		}
	}
	if nearly == nil {
		return e.checkOwner(name)
	}
	rest := strings.TrimPrefix(name, nearly.prefix)
	if member, isFile := strings.CutSuffix(rest, "_FILE"); isFile && e.known[member].member != "" {
		return fmt.Errorf("%s: that setting is read from no file; set %s%s to the value", name, nearly.prefix, member)
	}
	if instead := calledOtherwise[strings.ToLower(rest)]; instead != "" {
		return fmt.Errorf("%s is no setting of provider %q; it is %s%s", clip(name, 128), nearly.provider.Name, nearly.prefix, strings.ToUpper(instead))
	}
	instead := nearest(rest, e.known)
	if instead != "" {
		instead = nearly.prefix + instead
	}
	return fmt.Errorf("%s is no setting of provider %q%s; correct it or unset it, or if it is another program's, give LoadEnv a prefix of your own",
		clip(name, 128), nearly.provider.Name, orRather(instead))
}

// checkOwner refuses a setting of nobody whose provider's name is nearly one of these:
// under the application's own prefix it is hardly another program's.
func (e *environment) checkOwner(name string) error {
	rest, ok := strings.CutPrefix(name, e.prefix)
	if !ok || e.prefix == "" {
		return nil
	}
	for setting := range e.known {
		middle, ok := strings.CutSuffix(rest, "_"+setting)
		if !ok {
			continue
		}
		for _, owner := range e.owners {
			if misspelt(middle, strings.TrimSuffix(strings.TrimPrefix(owner.prefix, e.prefix), "_")) {
				return fmt.Errorf("%s is no setting of a provider that is loaded, perhaps %q; correct it or unset it, or if there is such a provider too, give it to the same LoadEnv",
					clip(name, 128), owner.prefix+setting)
			}
		}
	}
	return nil
}

func (o *envOwner) set(s envSetting, name, value string) error {
	switch before := o.written.variables[s.member]; {
	case before == name:
		return fmt.Errorf("%s stands twice in the environment; keep one", name)
	case before != "":
		variable := o.prefix + strings.ToUpper(s.member)
		return fmt.Errorf("%s and %s_FILE are both set; unset one", variable, variable)
	case value == "":
		return fmt.Errorf("%s is set but empty; give it a value, or unset it", name)
	case s.member == "scopes" && strings.Contains(value, ","):
		return fmt.Errorf("%s has a comma; expected scopes separated by spaces", name)
	}
	if s.file {
		text, err := readSetting(value)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		value = text
	}
	form, ok := setText(reflect.ValueOf(&o.written.providerJSON).Elem().FieldByIndex(s.field.Index), value)
	if !ok {
		return fmt.Errorf("%s: expected %s", name, form)
	}
	o.written.set[s.member], o.written.variables[s.member] = true, name
	return nil
}

// halves are the members that are of no use without a client id.
var halves = []string{"client_secret", "client_key", "client_certificate", "decryption_key"}

// apply changes the provider, unless its credentials are there by half.
func (o *envOwner) apply() error {
	if err := o.written.setFields(o.provider); err != nil {
		return err // which names the variable
	}
	for _, secret := range halves {
		if o.written.set[secret] && o.provider.ClientID == "" {
			return fmt.Errorf("%s is set, but nothing says whose it is; set %sCLIENT_ID too", o.written.called(secret), o.prefix)
		}
	}
	return nil
}

// setText writes a variable's text into the field that it sets, or says what it expected.
func setText(field reflect.Value, text string) (expected string, ok bool) {
	switch into := field.Addr().Interface().(type) {
	case *url.Values:
		values, err := url.ParseQuery(text)
		*into = values
		return "a query string, such as a=1&b=2", err == nil && len(values) > 0 && !values.Has("") && !looksLikeJSON(values)
	case *json.RawMessage:
		*into = json.RawMessage(text)
		return "JSON, and not null", jsontext.Value(text).IsValid() && !isNull(*into)
	}
	var err error
	switch field.Kind() {
	case reflect.String:
		field.SetString(text)
		expected = "text"
	case reflect.Bool:
		field.SetBool(text == "true")
		return "true or false", text == "true" || text == "false"
	case reflect.Int64:
		var n int64
		n, err = strconv.ParseInt(text, 10, 64)
		field.SetInt(n)
		expected = "a whole number"
	case reflect.Slice:
		list := reflect.ValueOf(strings.Fields(text))
		field.Set(list.Convert(field.Type()))
		return "words with a space between them", list.Len() > 0
	default:
		return "what can be said in a variable", false
	}
	return expected, err == nil
}

// looksLikeJSON tells an object, which is how JSON has such a field, from a query string:
// it parses as one parameter with an odd name.
func looksLikeJSON(values url.Values) bool {
	for name := range values {
		if strings.ContainsAny(name, `{}"`) {
			return true
		}
	}
	return false
}
