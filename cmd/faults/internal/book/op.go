package book

import "fmt"

// Name is what a client asks for: in a repository, a tag or a digest.
type Name struct{ Repo, Ref string }

// String is the name as clients write it.
func (n Name) String() string { return n.Repo + ":" + n.Ref }

// Seat is a registry with one disk; a new disk is a new life.
type Seat struct{ Registry, Life int }

// String names a registry by its letter.
func (s Seat) String() string { return fmt.Sprintf("%c%d", 'A'+s.Registry, s.Life) }

// state is what became of a request.
type state int

const (
	begun   state = iota // not sent yet
	sent                 // no answer yet
	unknown              // there was no answer, or one that leaves it open
	certain              // acknowledged, or seen
	refused              // it did not happen
)

// Op is a push to a name, or a delete of it.
type Op struct {
	book   *Book
	name   Name
	digest string // "": a delete
	seat   Seat
	run    int // of the registry's process, when it was sent

	state        state
	knew         map[*Op]bool // by its registry, when it began
	began, ended int          // book's count of events
}

// Sent notes that a request is about to be sent to the registry's n-th process.
func (o *Op) Sent(run int) {
	o.book.mu.Lock()
	defer o.book.mu.Unlock()
	if o.state == begun {
		o.state, o.run = sent, run
	}
}

// Acknowledged notes that the registry said it was done, and reports whether it was asked to:
// a client that finds what it would push does not.
func (o *Op) Acknowledged() bool {
	o.book.mu.Lock()
	defer o.book.mu.Unlock()
	if o.state == begun {
		o.drop()
		return false
	}
	o.end(certain)
	o.book.page(o.name).learn(o.seat, o)
	return true
}

// Failed notes that the registry did not say it was done: where it was sent, it may have been.
func (o *Op) Failed() {
	o.book.mu.Lock()
	defer o.book.mu.Unlock()
	switch o.state {
	case begun:
		o.drop()
	case sent:
		o.end(unknown)
	}
}

// Refused notes that the registry said it was not done.
func (o *Op) Refused() {
	o.book.mu.Lock()
	defer o.book.mu.Unlock()
	if o.state == begun || o.state == sent {
		o.drop()
	}
}

func (o *Op) end(s state) {
	o.state, o.ended = s, o.book.tick()
}

func (o *Op) drop() {
	o.end(refused)
	o.book.page(o.name).forget(o)
}

func (o *Op) isDelete() bool { return o.digest == "" }

// happened reports whether it surely did.
func (o *Op) happened() bool { return o.state == certain }

// may reports whether it may have happened, or may yet.
func (o *Op) may() bool { return o.state == sent || o.state == unknown || o.state == certain }

// String is for a journal.
func (o *Op) String() string {
	what := "delete"
	if !o.isDelete() {
		what = "push " + short(o.digest)
	}
	return fmt.Sprintf("%s at %s (%s, %d–%d)", what, o.seat, [...]string{"begun", "sent", "unknown", "certain", "refused"}[o.state], o.began, o.ended)
}

func short(digest string) string { return digest[:min(len(digest), len("sha256:")+12)] }
