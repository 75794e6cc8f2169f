package blob

import "maps"

// What is known of an upload that is committed is kept in memory: it is made a blob at once,
// and is synced then. A note on disk might survive a crash that bytes of the file do not.

// note keeps what is known of a file that is not synced.
func (w *uploads) note(file string, k *known) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known == nil {
		w.known = map[string]*known{}
	}
	k.unsynced = true
	w.known[file] = k
}

// forget drops what note keeps of the file at path, and of those below it.
func (w *uploads) forget(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.known, func(file string, _ *known) bool { return isAt(file, path) })
}

// readKnown gives what is known of a file, from memory or from the note beside it.
func (s *Store) readKnown(file string) (*known, error) {
	s.uploads.mu.Lock()
	k := s.uploads.known[file]
	s.uploads.mu.Unlock()
	if k != nil {
		return k, nil
	}
	return readKnown(file)
}

// unnote removes what is known of a file.
func (s *Store) unnote(file string) error {
	s.uploads.forget(file)
	return removeFiles(UploadNote(file))
}
