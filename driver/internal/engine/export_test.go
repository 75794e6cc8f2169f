package engine

import "time"

// Migration, StoredFormat and Migrate lead from one format of the datastore to the next.
type Migration = migration

var (
	StoredFormat = storedFormat
	Migrate      = migrate
)

// AloneAt is when a registry counts as alone.
var AloneAt = aloneAt

// Awake is what notices that the process was stopped.
type Awake = awake

// NewAwake makes one.
var NewAwake = newAwake

// At gives a sign.
func (a *awake) At(now time.Time) time.Time { return a.at(now) }

// WhyNotCompacted is why nothing of the history may be dropped now.
func (e *Engine) WhyNotCompacted() string { return e.whyNotCompacted() }
