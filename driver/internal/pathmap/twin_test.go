package pathmap

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus/hooks/test"
)

// TestATwinIsGoneAfterASilence: when no member has told of it for a while. The log says once
// that it is here, and once that it is gone.
func TestATwinIsGoneAfterASilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, log := test.NewNullLogger()
		m := &Map{cfg: Config{ExchangeInterval: time.Second}, log: logger.WithField("of", t.Name())}
		m.checkTwin()
		began := time.Now()
		for range 3 {
			m.SawTwin()
			time.Sleep(twinHold*time.Second - 1)
			m.checkTwin()
			if since, ok := m.Twin(); !ok || !since.Equal(began) {
				t.Fatalf("since %s: %v", since.Sub(began), ok)
			}
		}
		for range 2 {
			time.Sleep(time.Nanosecond)
			m.checkTwin()
		}
		if _, ok := m.Twin(); ok {
			t.Error("it is still believed")
		}
		if n := len(log.AllEntries()); n != 2 {
			t.Errorf("%d lines are logged", n)
		}
		m.SawTwin()
		if since, ok := m.Twin(); !ok || since.Equal(began) {
			t.Error("it is not believed when it comes back")
		}
	})
}
