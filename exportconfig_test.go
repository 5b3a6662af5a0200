package signon

// LoadEnviron is LoadEnv with the environment as a list.
func LoadEnviron(environ []string, prefix string, into ...*Provider) error {
	return loadEnviron(environ, prefix, into)
}

// Settings are the names that a Provider's fields have in writing.
func Settings() (names []string) {
	for name := range settings() {
		names = append(names, name)
	}
	return names
}

// EnvSettings are what stands behind a provider's prefix in its variables.
func EnvSettings() (names []string) {
	for name := range envSettings() {
		names = append(names, name)
	}
	return names
}
