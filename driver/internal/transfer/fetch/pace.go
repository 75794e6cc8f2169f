package fetch

import "time"

const (
	// pacedOrders is how many orders of a paced transfer are under way: the others of a swarm and
	// of this registry need the seats, and so few are fast enough.
	pacedOrders = 2
	paceLook    = 50 * time.Millisecond // how soon a transfer that somebody comes to read is paced no longer
)

// paced reports whether the transfer is slower than it could be.
func (j *Job) paced() bool { return j.why.Pace != nil && j.Background() }

// charge counts bytes that have come, and returns for how long no more of them should.
func (j *Job) charge(n int) time.Duration {
	if !j.paced() {
		return 0
	}
	return j.why.Pace.ReserveN(time.Now(), n).Delay()
}

// breathe waits for what charge returned, unless a reader comes. That is not a member's fault.
func (j *Job) breathe(wait time.Duration) {
	if wait <= 0 {
		return
	}
	j.meter.held.Add(1)
	defer j.meter.held.Add(-1)
	defer j.meter.progress()
	for until := time.Now().Add(wait); j.paced(); {
		left := time.Until(until)
		if left <= 0 {
			return
		}
		select {
		case <-time.After(min(left, paceLook)):
		case <-j.ctx.Done():
			return
		}
	}
}
