package blob

import "sync"

// uploads knows who writes which file.
type uploads struct {
	mu sync.Mutex
	by map[string]*Upload
}

// claim makes u the one that writes its file, and ends the one before.
func (w *uploads) claim(u *Upload) {
	w.mu.Lock()
	if w.by == nil {
		w.by = map[string]*Upload{}
	}
	before := w.by[u.file.Name()]
	w.by[u.file.Name()] = u
	w.mu.Unlock()
	before.takeOver()
}

// end ends whoever writes a file.
func (w *uploads) end(file string) {
	w.mu.Lock()
	before := w.by[file]
	delete(w.by, file)
	w.mu.Unlock()
	before.takeOver()
}

func (w *uploads) leave(u *Upload) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by[u.file.Name()] == u {
		delete(w.by, u.file.Name())
	}
}

// takeOver ends an upload for another one; what it wrote is on disk. An error is its
// own: it failed, and nothing is known of its file.
func (u *Upload) takeOver() {
	if u == nil {
		return
	}
	_ = u.Close()
}
