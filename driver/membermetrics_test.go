package driver_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestOnlySoManyMembersAreLabels: of more there are metrics of those that matter most.
func TestOnlySoManyMembersAreLabels(t *testing.T) {
	at := func(minute int) time.Time { return time.Unix(int64(60*minute), 0) }
	all := []driver.Member{
		{PeerID: "lost early", Trusted: true, Since: at(1)},
		{PeerID: "here late", Connected: true, Trusted: true, Since: at(9)},
		{PeerID: "stranger", Connected: true, Since: at(1)},
		{PeerID: "lost late", Trusted: true, Since: at(8)},
		{PeerID: "here early", Connected: true, Trusted: true, Since: at(2)},
	}
	for most, want := range map[int]string{
		5: "lost early, here late, stranger, lost late, here early",
		4: "here early, here late, stranger, lost late",
		1: "here early",
	} {
		var got []string
		for _, m := range driver.Labeled(all, most) {
			got = append(got, m.PeerID)
		}
		if is := strings.Join(got, ", "); is != want {
			t.Errorf("%d of them: %s, not %s", most, is, want)
		}
	}
	if all[0].PeerID != "lost early" {
		t.Error("the list itself was sorted")
	}
}

// TestNamesAreLabelsForAnHour: a member that renames itself again and again does not fill Prometheus.
func TestNamesAreLabelsForAnHour(t *testing.T) {
	var names driver.LabelNames
	now := time.Unix(1, 0)
	called := func(all ...driver.Member) string {
		var got []string
		for _, m := range names.Of(now, all) {
			got = append(got, m.Name)
		}
		return strings.Join(got, " ")
	}
	member := func(name string) driver.Member { return driver.Member{PeerID: "a", Name: name} }
	for _, step := range []struct {
		after time.Duration
		says  string
		want  string
	}{
		{0, "", ""}, {time.Minute, "attic", "attic"}, {time.Minute, "barn", "attic"}, {time.Minute, "", "attic"},
		{time.Hour, "", "attic"}, {0, "barn", "barn"}, {time.Minute, "attic", "barn"}, {time.Hour, "cellar", "cellar"},
	} {
		now = now.Add(step.after)
		if got := called(member(step.says)); got != step.want {
			t.Errorf("%s says that it is %q, and is called %q, not %q", now, step.says, got, step.want)
		}
	}
	if called(); called(member("mine")) != "cellar" {
		t.Error("one that had left for a moment has another name")
	}
	for i := range 2_000 {
		called(driver.Member{PeerID: fmt.Sprint(i), Name: "n"})
	}
	if n := names.Len(); n < 100 || n > 1001 {
		t.Errorf("%d names are kept", n)
	}
	if n := len(names.Of(now, make([]driver.Member, 501))); n != 500 {
		t.Errorf("%d members have metrics of their own", n)
	}
}
