// Package evict says what leaves the cache of a registry: how much has to go, and in which order
// blobs go. It only decides.
//
//	goal := evict.Goal(evict.State{Cache: …, Free: …}, evict.Limits{Cache: 500 << 30, Free: 50 << 30})
//	o := evict.NewOldest(1000, evict.Candidate{})
//	for … { o.Offer(candidate) }
//	for order := o.Sorted(); !goal.Reached(gone); {
//		next, order = evict.Next(order, goal.Less(gone), 64)
//	}
//
// Limits: whether a copy may go at all, because it is no keeper's and not one of the last, package
// replica says; whether somebody uses it, package blob.
package evict

import (
	"cmp"
	"slices"
)

const (
	// slackPart says how far below a limit the cache is brought once it is passed, so that not every
	// blob that comes has another one go: a part of the limit, and no more than slackMost.
	slackPart = 20
	slackMost = 8 << 30
	// filesSlack is how many files go beyond those that are lacking.
	filesSlack = 256
)

// NoLimit is a limit of the cache that no cache reaches.
const NoLimit = -1

// Limits are what a cache is held to.
type Limits struct {
	Cache  int64 // bytes that it may have, or NoLimit
	Free   int64 // bytes of the disk that stay free
	Inodes int64 // that stay free
}

// State is what a disk is like.
type State struct {
	Cache    int64 // bytes of the blobs that this registry has and is no keeper of
	Free     int64 // bytes
	Promised int64 // bytes that are still to come of what was let in
	Wanted   int64 // bytes that others wait to be let in with
	Inodes   int64 // free
}

// Amount is how much has to go: both bytes and files.
type Amount struct {
	Bytes int64
	Files int64
}

// Reached reports whether as much as that has gone.
func (a Amount) Reached(gone Amount) bool { return gone.Bytes >= a.Bytes && gone.Files >= a.Files }

// Less is what is left of an amount.
func (a Amount) Less(gone Amount) Amount {
	return Amount{Bytes: max(0, a.Bytes-gone.Bytes), Files: max(0, a.Files-gone.Files)}
}

// Goal is how much has to go: nothing until a limit is passed, then so much that it is not passed
// again at once.
func Goal(s State, l Limits) (goal Amount) {
	if l.Cache != NoLimit && s.Cache > l.Cache {
		goal.Bytes = s.Cache - l.Cache + slack(l.Cache)
	}
	if lacking := l.Free - (s.Free - s.Promised - s.Wanted); lacking > 0 {
		goal.Bytes = max(goal.Bytes, lacking+slack(l.Free))
	}
	if lacking := l.Inodes - s.Inodes; lacking > 0 {
		goal.Files = lacking + filesSlack
	}
	return goal
}

// Want is what somebody waits to be let in with.
type Want struct {
	Bytes int64
	Leave int64 // bytes that have to be free all the same
}

// Met picks from what others want what a cache of that many bytes can make room for, the smallest
// first: for the rest it would go in vain. It gives their places in wants, and how many bytes they
// want together, beyond State.Wanted.
func Met(s State, cache int64, wants []Want) (places []int, sum int64) {
	order := make([]int, len(wants))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(wants[a].Bytes, wants[b].Bytes) })
	for _, i := range order {
		lacking := wants[i].Leave + s.Promised + s.Wanted + sum + wants[i].Bytes - s.Free
		if lacking <= cache {
			places, sum = append(places, i), sum+wants[i].Bytes
		}
	}
	return places, sum
}

func slack(limit int64) int64 { return min(limit/slackPart, slackMost) }

// Next takes from the beginning of an order what is to go next: no more than what is lacking needs,
// if all of it goes, and no more than most.
func Next(order []Candidate, lacking Amount, most int) (next, rest []Candidate) {
	var sum Amount
	n := 0
	for n < min(len(order), most) && !lacking.Reached(sum) {
		sum.Bytes += order[n].Size
		sum.Files++
		n++
	}
	return order[:n], order[n:]
}
