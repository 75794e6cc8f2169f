// Package bitset is a set of small numbers, such as the leaves of a blob that are here, in
// the form in which it is kept in files and sent between members: number i is bit i%8 of
// byte i/8, the lowest bit first.
//
//	here := bitset.New(leaves)
//	here.Add(3)
//	next, ok := bitset.FirstAbsent(here, claimed, 0, leaves)
//
// Limits: a set is a plain slice of bytes, of a fixed size. It is not safe for concurrent
// use.
package bitset

import "math/bits"

// Set is a set of the numbers from 0 to eight times its length. Numbers beyond are not in
// it, and must not be added to it or dropped from it.
type Set []byte

// New returns an empty set with room for the numbers below n.
func New(n int) Set { return make(Set, Bytes(n)) }

// Bytes is how many bytes a set of the numbers below n takes.
func Bytes(n int) int { return (n + 7) / 8 }

// Full returns the set of the numbers below n.
func Full(n int) Set {
	s := New(n)
	for i := range n {
		s.Add(i)
	}
	return s
}

// Has reports whether i is in the set.
func (s Set) Has(i int) bool { return i >= 0 && i/8 < len(s) && s[i/8]&(1<<(i%8)) != 0 }

// Add puts i into the set.
func (s Set) Add(i int) { s[i/8] |= 1 << (i % 8) }

// Drop takes i out of the set.
func (s Set) Drop(i int) { s[i/8] &^= 1 << (i % 8) }

// Cut drops all numbers from n on.
func (s Set) Cut(n int) {
	if last := n / 8; last < len(s) {
		s[last] &= 1<<(n%8) - 1
		clear(s[last+1:])
	}
}

// Merge adds the part of another set for which there is room.
func (s Set) Merge(o Set) {
	for i := range min(len(s), len(o)) {
		s[i] |= o[i]
	}
}

// Meets reports whether another set has a number of this one.
func (s Set) Meets(o Set) bool {
	for i := range min(len(s), len(o)) {
		if s[i]&o[i] != 0 {
			return true
		}
	}
	return false
}

// Count is how many numbers are in the set.
func (s Set) Count() (n int) {
	for _, b := range s {
		n += bits.OnesCount8(b)
	}
	return n
}

// FirstAbsent is the first i in [from, to) that is in neither of two sets, which have room
// for it; false when there is none.
func FirstAbsent(a, b Set, from, to int) (int, bool) {
	for i := from; i < to; {
		if i%8 == 0 && a[i/8]|b[i/8] == 0xff {
			i += 8
			continue
		}
		if !a.Has(i) && !b.Has(i) {
			return i, true
		}
		i++
	}
	return 0, false
}
