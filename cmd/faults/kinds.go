package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

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
	{"kill-all", "SIGKILL of all at the same moment", 1, always, (*trial).killAll},
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
	{"wipe-acked", "the disk is lost at the moment at which a push is acknowledged", 2, acks, (*trial).wipeAcked},
	{"newcomer", "disk and key are lost: another registry takes its place, and it is forgotten", 1, always, (*trial).newcomer},
	{"drain", "one is drained, and as soon as it may be switched off, another takes its place", 1, always, (*trial).drain},
	{"forget", "one is away, forgotten, garbage is collected, and it comes back", 1, always, (*trial).forget},
	{"backup", "it is stopped, its disk copied", 1, always, (*trial).backup},
	{"restore", "its disk is replaced by the copy", 1, always, (*trial).restore},
	{"rekey", "one gets the next protector key beside its own, or, when all have it, alone", keySteps, always, (*trial).rekey},
	{"revoke", "a sixth is shut out by one of the five while clients push to it, and goes on, once in a run", 1, notRevoked, (*trial).revoke},
	{"require", "signatures are required of all while clients push, once in a run", 1, notRequired, (*trial).require},
	{"clock", "its clock is three days off", 1, clocks, (*trial).clock},
}

func always(*trial) bool   { return true }
func acks(t *trial) bool   { return t.o.replicas > 1 }
func cuts(t *trial) bool   { return t.swarm.Mesh != nil }
func disks(t *trial) bool  { return t.swarm.Members[0].Disk != nil }
func clocks(t *trial) bool { return t.o.clocks }

// deck is the faults of one round, in their order.
func (t *trial) deck() (deck []kind, err error) {
	if t.o.only != "" {
		return t.only(strings.Split(t.o.only, ","))
	}
	for _, k := range kinds {
		if k.needs(t) {
			deck = append(deck, slices.Repeat([]kind{k}, k.times)...)
		}
	}
	t.random.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	return deck, nil
}

// only is these kinds, without those that cannot be done here.
func (t *trial) only(names []string) (deck []kind, err error) {
	for _, name := range names {
		i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there are no faults of kind %q: see -kinds", name)
		}
		if kinds[i].needs(t) {
			deck = append(deck, kinds[i])
		}
	}
	if len(deck) == 0 {
		return nil, fmt.Errorf("none of %q can be done here", names)
	}
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
