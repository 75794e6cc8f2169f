package main

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/distribution/v3/configuration"
)

// serviceVariables are what Kubernetes puts into every container of a namespace for a
// Service, by the ends of their names and by what they hold
// (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables).
var serviceVariables = []struct{ name, value *regexp.Regexp }{
	{regexp.MustCompile(`_SERVICE_HOST$`), address},
	{regexp.MustCompile(`_SERVICE_PORT(_[A-Z0-9_]+)?$`), number},
	{regexp.MustCompile(`_PORT(_[0-9]+_(TCP|UDP|SCTP))?$`), regexp.MustCompile(`^(tcp|udp|sctp)://\S+:[0-9]+$`)},
	{regexp.MustCompile(`_PORT_[0-9]+_(TCP|UDP|SCTP)_PROTO$`), regexp.MustCompile(`^(tcp|udp|sctp)$`)},
	{regexp.MustCompile(`_PORT_[0-9]+_(TCP|UDP|SCTP)_PORT$`), number},
	{regexp.MustCompile(`_PORT_[0-9]+_(TCP|UDP|SCTP)_ADDR$`), address},
}

var (
	address = regexp.MustCompile(`^[0-9a-fA-F.:]+$`)
	number  = regexp.MustCompile(`^[0-9]+$`)
)

// dropServiceVariables takes the variables of Services whose names begin with "registry"
// out of the environment, where distribution would read each as a key of its
// configuration. It returns their names, sorted.
func dropServiceVariables() []string {
	var dropped []string
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if isServiceVariable(name, value) && os.Unsetenv(name) == nil {
			dropped = append(dropped, name)
		}
	}
	slices.Sort(dropped)
	return dropped
}

// hide takes a variable out of the environment until the function that it returns is called:
// distribution warns of each that begins with REGISTRY_ and is no key of its configuration.
func hide(name string) (back func()) {
	value, set := os.LookupEnv(name)
	if !set || os.Unsetenv(name) != nil {
		return func() {}
	}
	return func() { _ = os.Setenv(name, value) }
}

// inFiles are the keys of the ipfs: block that may be in a file, each with the key that names it. Only
// one of the two may be set.
var inFiles = [][2]string{
	{"protectorkey", "protectorkeyfile"}, {"protectorkeynext", "protectorkeynextfile"}, {"privatekey", "privatekeyfile"},
	{"trustedpeers", "trustedpeersfile"}, {"allowedpeers", "allowedpeersfile"},
}

// preferEnvironment takes out of the ipfs: block what a file says of a key that the environment has
// in the other form: in the image, whose file names one, the environment alone has to be enough.
func preferEnvironment(ipfs configuration.Parameters) {
	for _, of := range inFiles {
		for i, key := range of {
			other := of[1-i]
			if inEnvironment(key) && !inEnvironment(other) {
				delete(ipfs, other)
			}
		}
	}
}

// inEnvironment reports whether the environment has a key of the ipfs: block. An empty one says nothing.
func inEnvironment(key string) bool {
	return os.Getenv("REGISTRY_STORAGE_IPFS_"+strings.ToUpper(key)) != ""
}

func isServiceVariable(name, value string) bool {
	if !strings.HasPrefix(name, "REGISTRY_") {
		return false
	}
	for _, v := range serviceVariables {
		if v.name.MatchString(name) && v.value.MatchString(value) {
			return true
		}
	}
	return false
}
