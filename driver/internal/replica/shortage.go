package replica

import "sync"

// shortest is how many paths are remembered for whose blobs there is no room: as many as a backlog
// remembers of those that fail.
const shortest = 4096

// shortage is for which blobs there was no room when they were last to be fetched. That one of them
// finds some says nothing of the others: it may be small. It is safe for concurrent use.
type shortage struct {
	mu    sync.Mutex
	sizes map[string]int64 // by path
	sum   int64
}

// of notes that there is no room for the blob of a path, and reports whether there was for all until now.
func (s *shortage) of(path string, size int64) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.sizes[path]; known || len(s.sizes) >= shortest {
		return false
	}
	if s.sizes == nil {
		s.sizes = map[string]int64{}
	}
	s.sizes[path] = size
	s.sum += size
	return len(s.sizes) == 1
}

// met notes that a path lacks no room, or none any more.
func (s *shortage) met(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum -= s.sizes[path]
	delete(s.sizes, path)
}

// keep forgets the paths that need no room any more.
func (s *shortage) keep(needs func(path string) bool) {
	s.mu.Lock()
	paths := make([]string, 0, len(s.sizes))
	for path := range s.sizes {
		paths = append(paths, path)
	}
	s.mu.Unlock()
	for _, path := range paths {
		if !needs(path) {
			s.met(path)
		}
	}
}

// amount is what there is no room for.
func (s *shortage) amount() Amount {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Amount{Blobs: len(s.sizes), Bytes: s.sum}
}
