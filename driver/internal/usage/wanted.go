package usage

import "strings"

// wanted are the repositories and images that are asked about.
type wanted struct {
	of    []string
	names map[string][]int // which of these have a name
	found []bool
}

// wantedOf takes names with or without the host of a registry in front, as clients write them.
func wantedOf(of []string) *wanted {
	w := &wanted{of: of, names: map[string][]int{}, found: make([]bool, len(of))}
	for i, name := range of {
		w.names[name] = append(w.names[name], i)
		host, rest, ok := strings.Cut(name, "/")
		if ok && (host == "localhost" || strings.ContainsAny(host, ".:")) {
			w.names[rest] = append(w.names[rest], i)
		}
	}
	return w
}

// has reports whether a name is asked about, which is there.
func (w *wanted) has(name string) bool {
	is := w.names[name]
	for _, i := range is {
		w.found[i] = true
	}
	return len(w.of) == 0 || len(is) > 0
}

// named reports whether a repository is asked about by its own name.
func (w *wanted) named(name string) bool { return len(w.names[name]) > 0 }

func (w *wanted) missing() (names []string) {
	for i, name := range w.of {
		if !w.found[i] {
			names = append(names, name)
		}
	}
	return names
}
