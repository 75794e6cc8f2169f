package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// trouble is the last warning or error that a storage logged. It is safe for concurrent use.
type trouble struct {
	mu   sync.Mutex
	at   time.Time // zero: there was none
	text string
}

type troubleKey struct{}

// in gives the context of a storage's log entries, by which troubles tells storages apart.
func (t *trouble) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, troubleKey{}, t)
}

func (t *trouble) last() (at time.Time, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at, t.text
}

// troubles is the hook by which the last of each storage is noted.
type troubles struct{}

// Levels implements logrus.Hook.
func (troubles) Levels() []logrus.Level {
	return []logrus.Level{logrus.WarnLevel, logrus.ErrorLevel}
}

// Fire implements logrus.Hook.
func (troubles) Fire(e *logrus.Entry) error {
	if e.Context == nil {
		return nil
	}
	t, ok := e.Context.Value(troubleKey{}).(*trouble)
	if !ok {
		return nil
	}
	text := e.Message
	if err, ok := e.Data[logrus.ErrorKey]; ok {
		text += fmt.Sprintf(": %v", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at, t.text = e.Time, text
	return nil
}

// Trouble is the last warning or error that this registry's storage logged since it was opened; at
// is zero when there was none.
func (e *Engine) Trouble() (at time.Time, text string) { return e.trouble.last() }
