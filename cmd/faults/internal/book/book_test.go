package book

import "testing"

const one, two, three = "sha256:1111", "sha256:2222", "sha256:3333"

var (
	name = Name{"team/app", "v1"}
	a, c = Seat{Registry: 0}, Seat{Registry: 2}
)

func done(o *Op) *Op { o.Sent(1); o.Acknowledged(); return o }
func cut(o *Op) *Op  { o.Sent(1); o.Failed(); return o }

func check(t *testing.T, b *Book, nothing bool, digests ...string) {
	t.Helper()
	got := b.May(name)
	if got.Nothing != nothing || len(got.Digests) != len(digests) {
		t.Errorf("nothing: %v, digests: %v: %s", got.Nothing, got.Digests, got)
	}
	for _, d := range digests {
		if !got.Is(d) {
			t.Errorf("not %s: %s", d, got)
		}
	}
}

func TestTheLastPushOfOneRegistryWins(t *testing.T) {
	b := New()
	done(b.Push(name, one, a))
	done(b.Push(name, two, a))
	check(t, b, false, two)
	done(b.Delete(name, a))
	check(t, b, true)
}

func TestPushesOnTwoSidesAreConcurrent(t *testing.T) {
	b := New()
	done(b.Push(name, one, a))
	done(b.Push(name, two, c))
	check(t, b, false, one, two)
	if got := b.May(name).Latest; got != two {
		t.Error(got)
	}
}

func TestWhatWasSeenIsReplaced(t *testing.T) {
	b := New()
	done(b.Push(name, one, a))
	if err := b.Ask(name, c).Answered(one, c); err != nil {
		t.Fatal(err)
	}
	done(b.Push(name, two, c))
	check(t, b, false, two)
}

func TestANewDiskKnowsNothing(t *testing.T) {
	b := New()
	done(b.Push(name, one, a))
	done(b.Push(name, two, Seat{Life: 1}))
	check(t, b, false, one, two)
}

func TestARequestThatWasCutMayHaveHappened(t *testing.T) {
	b := New()
	cut(b.Push(name, one, a))
	check(t, b, true, one)
	done(b.Push(name, two, a))
	check(t, b, false, one, two)
	cut(b.Delete(name, a))
	check(t, b, true, one, two)
}

func TestARequestThatWasNotSentDidNotHappen(t *testing.T) {
	b := New()
	b.Push(name, one, a).Failed()
	if b.Push(name, three, a).Acknowledged() {
		t.Error("a push that was not sent is acknowledged")
	}
	o := b.Push(name, two, a)
	o.Sent(1)
	o.Refused()
	check(t, b, true)
}

// TestADeleteRemovesNoLaterPush: one that began after the delete was acknowledged.
func TestADeleteRemovesNoLaterPush(t *testing.T) {
	b := New()
	done(b.Push(name, one, a))
	del := b.Delete(name, a)
	during := b.Push(name, two, c)
	done(del)
	done(during)
	check(t, b, true, two)
	done(b.Push(name, three, Seat{Registry: 3}))
	check(t, b, false, two, three)
}

func TestAllAgree(t *testing.T) {
	b := New()
	done(b.Push(name, one, a))
	done(b.Push(name, two, c))
	cut(b.Push(name, three, c))
	b.Agreed(name, two, func(registry, run int) bool { return false })
	check(t, b, false, two, three)
	if len(b.Changed()) != 1 {
		t.Error("what may still happen is settled")
	}
	b.Agreed(name, two, func(registry, run int) bool { return registry == 2 && run == 1 })
	check(t, b, false, two)
	if len(b.Changed()) != 0 {
		t.Error("it is not settled")
	}
	done(b.Delete(name, Seat{Registry: 4}))
	check(t, b, true)
}

func TestAnswersThatAreWrong(t *testing.T) {
	b := New()
	done(b.Push(name, one, a))
	if b.Ask(name, a).Answered("", a) == nil {
		t.Error("a registry may forget what it acknowledged")
	}
	if err := b.Ask(name, c).Answered("", c); err != nil {
		t.Errorf("another must have heard of it: %v", err)
	}
	before := b.Ask(name, a)
	done(b.Push(name, two, a))
	if err := before.Answered(one, a); err != nil {
		t.Errorf("it was asked before the second push: %v", err)
	}
	if b.Ask(name, a).Answered(one, a) == nil {
		t.Error("a registry may answer with what it replaced")
	}
	if err := b.Ask(name, c).Answered(one, c); err != nil {
		t.Errorf("another must have heard of the second push: %v", err)
	}
	if b.Ask(name, c).Answered(three, c) == nil {
		t.Error("it may answer with what was never pushed")
	}
	if err := b.Ask(name, a).Answered("", Seat{Life: 1}); err != nil {
		t.Errorf("it has another disk: %v", err)
	}
	b.Delete(name, c).Sent(1)
	if err := b.Ask(name, a).Answered("", a); err != nil {
		t.Errorf("a delete is under way: %v", err)
	}
}
