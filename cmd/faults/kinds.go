package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/swarm"
)

// kind is a kind of fault.
type kind struct {
	name, what string
	times      int // in a round
	needs      func(*trial) bool
	run        func(*trial, context.Context) error
}

var kinds = []kind{
	{"kill", "SIGKILL", members, always, (*trial).kill},
	{"kill-start", "SIGKILL, and again while it starts", 1, always, (*trial).killStart},
	{"term", "SIGTERM, and a start", 1, always, (*trial).term},
	{"rolling", "one after the other is restarted", 1, always, (*trial).rolling},
	{"suspend", "SIGSTOP, for longer than the grace of garbage", 3, always, (*trial).suspend},
	{"parted", "two are cut off from the other three", 3, cuts, (*trial).parted},
	{"alone", "one is cut off from all others", 1, cuts, (*trial).alone},
	{"pair", "two are cut off from each other, and not from the others", 1, cuts, (*trial).pair},
	{"one-way", "the packets of one to another are lost", 1, cuts, (*trial).oneWay},
	{"loss", "5 % of all packets are lost, and 30 % in bursts", 2, cuts, (*trial).loss},
	{"full", "the disk fills to the last byte", 2, disks, (*trial).full},
	{"flip", "bits of blobs flip on a disk", 2, always, (*trial).flip},
	{"wipe", "the disk is lost, the key is not", 1, always, (*trial).wipe},
	{"newcomer", "disk and key are lost: another registry takes its place, and it is forgotten", 1, always, (*trial).newcomer},
	{"forget", "one is away, forgotten, garbage is collected, and it comes back", 1, always, (*trial).forget},
	{"backup", "it is stopped, its disk copied", 1, always, (*trial).backup},
	{"restore", "its disk is replaced by the copy", 1, always, (*trial).restore},
	{"clock", "its clock is three days off", 1, clocks, (*trial).clock},
}

func always(*trial) bool   { return true }
func cuts(t *trial) bool   { return t.swarm.Mesh != nil }
func disks(t *trial) bool  { return t.swarm.Members[0].Disk != nil }
func clocks(t *trial) bool { return t.o.clocks }

// shuffle is the faults of one round, in their order.
func (t *trial) shuffle() ([]kind, error) {
	var deck []kind
	for _, k := range kinds {
		if !k.needs(t) || t.o.only != "" && k.name != t.o.only && (t.o.only != "restore" || k.name != "backup") {
			continue
		}
		for range k.times {
			deck = append(deck, k)
		}
	}
	if len(deck) == 0 {
		return nil, fmt.Errorf("no faults of kind %q here: see -kinds", t.o.only)
	}
	t.random.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	return deck, nil
}

func pick(random *rand.Rand, all []*swarm.Member) *swarm.Member { return all[random.IntN(len(all))] }

func (t *trial) any() *swarm.Member { return pick(t.random, t.swarm.Members) }

// order is all registries in any order.
func (t *trial) order() []*swarm.Member {
	all := make([]*swarm.Member, members)
	for i, n := range t.random.Perm(members) {
		all[i] = t.swarm.Members[n]
	}
	return all
}
