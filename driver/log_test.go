package driver_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// logged asks a registry for its log, and gives each line in short.
func logged(t *testing.T, m *drivertest.Member, o driver.LogOptions, called map[string]string) (lines []string, l driver.Log) {
	t.Helper()
	l, err := driver.NewClient(m.Params).Log(t.Context(), o)
	must(t, err)
	for _, c := range l.Changes {
		from := make([]string, len(c.From))
		for i, d := range c.From {
			from[i] = called[d]
		}
		slices.Sort(from)
		line := strings.Join([]string{c.What, c.Repository + ":" + c.Tag, called[c.Digest], fmt.Sprint(from), c.By.Name}, " ")
		if c.Conflict != nil {
			line += fmt.Sprintf(" %s>%s open=%v", called[c.Conflict.Won.Digest], called[c.Conflict.Lost[0].Digest], c.Conflict.Open)
		}
		lines = append(lines, line)
	}
	return lines, l
}

func pushedAs(t *testing.T, host, ref string) v1.Hash {
	t.Helper()
	img, err := random.Image(100, 1)
	must(t, err)
	must(t, crane.Push(img, host+"/"+ref, crane.Insecure))
	d, err := img.Digest()
	must(t, err)
	return d
}

func TestTheLogOfOneRegistry(t *testing.T) {
	t.Parallel()
	began := time.Now()
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.Offline, p.Name = true, "attic"
	m := drivertest.Start(t, p)
	host := served(t, m)
	one, two := pushedAs(t, host, "team/app:1"), pushedAs(t, host, "team/app:2")
	must(t, crane.Tag(host+"/team/app@"+one.String(), "2", crane.Insecure))
	must(t, crane.Tag(host+"/team/app@"+one.String(), "2", crane.Insecure))
	three, err := random.Image(100, 1)
	must(t, err)
	d, err := three.Digest()
	must(t, err)
	must(t, crane.Push(three, host+"/other@"+d.String(), crane.Insecure))
	must(t, crane.Delete(host+"/team/app:1", crane.Insecure))
	must(t, crane.Delete(host+"/team/app@"+two.String(), crane.Insecure))
	called := map[string]string{one.String(): "one", two.String(): "two", d.String(): "three"}
	want := []string{
		"deleted team/app: two [] attic",
		"untagged team/app:1 one [] attic",
		"pushed other: three [] attic",
		"again team/app:2 one [one] attic",
		"moved team/app:2 one [two] attic",
		"tagged team/app:2 two [] attic",
		"tagged team/app:1 one [] attic",
	}
	got, l := logged(t, m, driver.LogOptions{}, called)
	if !slices.Equal(got, want) || l.Next != "" {
		t.Errorf("next %q\n%s", l.Next, strings.Join(got, "\n"))
	}
	for i, c := range l.Changes {
		if dated := i > 1; (c.At != nil) != dated || dated && c.At.Before(began) || (c.Heard != nil) == dated || c.By.PeerID != m.Identity().PeerID {
			t.Errorf("%d: %+v", i, c)
		}
	}
	var paged []string
	for o := (driver.LogOptions{Limit: 2}); ; {
		some, l := logged(t, m, o, called)
		if paged = append(paged, some...); l.Next == "" {
			break
		}
		o.Before = l.Next
	}
	if !slices.Equal(paged, want) {
		t.Errorf("in pages\n%s", strings.Join(paged, "\n"))
	}
	if got, _ := logged(t, m, driver.LogOptions{Repository: "other"}, called); !slices.Equal(got, want[2:3]) {
		t.Errorf("of one repository: %q", got)
	}
	if got, _ := logged(t, m, driver.LogOptions{Since: *l.Changes[3].At}, called); !slices.Equal(got, want[:4]) {
		t.Errorf("of late: %q", got)
	}
	if got, _ := logged(t, m, driver.LogOptions{Since: time.Now().Add(time.Hour)}, called); len(got) != 0 {
		t.Errorf("of the future: %q", got)
	}
	if got, _ := logged(t, m, driver.LogOptions{Conflicts: true}, called); len(got) != 0 {
		t.Errorf("conflicts: %q", got)
	}
	m.Stop()
	m.Restart()
	if _, l := logged(t, m, driver.LogOptions{Limit: 1}, called); l.Changes[0].By.PeerID != "" || l.Changes[0].Heard != nil {
		t.Errorf("after a restart nobody knows who deleted it: %+v", l.Changes[0])
	}
	_, err = driver.NewClient(m.Params).Log(t.Context(), driver.LogOptions{Before: "x"})
	if e, ok := errors.AsType[*driver.AnswerError](err); !ok || e.Status != http.StatusBadRequest {
		t.Errorf("before what is no mark: %v", err)
	}
}

// TestATagPushedOnTwoSidesOfAPartition: both registries name the same winner, and what lost comes back
// by its digest.
func TestATagPushedOnTwoSidesOfAPartition(t *testing.T) {
	t.Parallel()
	members, links := drivertest.Mesh(t, 2, drivertest.Parameters(t, drivertest.Key(t)))
	a, b := members[0], members[1]
	hosts := []string{served(t, a), served(t, b)}
	before := pushedAs(t, hosts[0], "team/app:1")
	drivertest.AwaitAgreement(t, a, b)
	img, err := crane.Pull(hosts[1]+"/team/app:1", crane.Insecure) // else a push there finds that the tag leads to what is not there
	must(t, err)
	must(t, validate.Image(img))
	drivertest.Await(t, "it is here", func() bool { return b.Status(t.Context()).Blobs.Here == 3 })
	links[0][1].Cut(true)
	drivertest.Await(t, "they are apart", func() bool { return connectedOnly(a, 0) && connectedOnly(b, 0) })
	one := pushedAs(t, hosts[0], "team/app:1")
	replaced := pushedAs(t, hosts[1], "team/app:1")
	two := pushedAs(t, hosts[1], "team/app:1")
	pushedAs(t, hosts[1], "team/app:other")
	links[0][1].Cut(false)
	drivertest.AwaitMesh(t, a, b)
	drivertest.AwaitAgreement(t, a, b)
	called := map[string]string{before.String(): "before", one.String(): "one", two.String(): "two", replaced.String(): "replaced"}
	won := get(t, a, "/docker/registry/v2/repositories/team/app/_manifests/tags/1/current/link")
	winner, loser := one, two
	if string(won) == two.String() {
		winner, loser = two, one
	}
	conflict := func(open bool) string {
		return fmt.Sprintf(" %s>%s open=%v", called[winner.String()], called[loser.String()], open)
	}
	check := func(open bool) {
		t.Helper()
		for _, m := range members {
			lines, l := logged(t, m, driver.LogOptions{Repository: "team/app", Limit: 1000}, called)
			n := 0
			for i, line := range lines {
				if c := l.Changes[i]; c.Conflict == nil {
					continue
				} else if c.Tag != "1" || c.Digest != one.String() && c.Digest != two.String() || !strings.HasSuffix(line, conflict(open)) {
					t.Errorf("it says %s", line)
				}
				n++
			}
			if n != 2 {
				t.Errorf("it says of %d writes that they were in a conflict:\n%s", n, strings.Join(lines, "\n"))
			}
			alone, l := logged(t, m, driver.LogOptions{Conflicts: true}, called)
			if len(alone) != 1 || !strings.HasSuffix(alone[0], conflict(open)) {
				t.Fatalf("conflicts are %q", alone)
			}
			c := l.Changes[0].Conflict
			if len(c.Lost) != 1 || c.Lost[0].Manifest != "here" || c.Won.Manifest != "here" || c.Lost[0].At == nil || c.Lost[0].By.PeerID == c.Won.By.PeerID {
				t.Errorf("%+v", c)
			}
		}
	}
	for _, m := range members { // manifests are brought to all registries
		drivertest.Await(t, "both manifests are here", func() bool {
			l, err := m.Log(context.Background(), driver.LogOptions{Conflicts: true})
			return err == nil && l.Changes[0].Conflict.Lost[0].Manifest == "here" && l.Changes[0].Conflict.Won.Manifest == "here"
		})
	}
	check(true)
	must(t, crane.Tag(hosts[0]+"/team/app@"+loser.String(), "1-lost", crane.Insecure))
	if d, err := crane.Digest(hosts[1]+"/team/app:1-lost", crane.Insecure); err != nil || d != loser.String() {
		t.Errorf("it came back as %s: %v", d, err)
	}
	check(true)
	pushedAs(t, hosts[1], "team/app:1")
	drivertest.AwaitAgreement(t, a, b)
	check(false)
	must(t, crane.Delete(hosts[0]+"/team/app@"+loser.String(), crane.Insecure))
	drivertest.AwaitAgreement(t, a, b)
	for _, m := range members {
		_, l := logged(t, m, driver.LogOptions{Conflicts: true}, called)
		if c := l.Changes[0].Conflict; c.Lost[0].Manifest != "deleted" {
			t.Errorf("of what was deleted: %+v", c)
		}
		of, l := logged(t, m, driver.LogOptions{Limit: 1}, called)
		drivertest.Await(t, "it is known who deleted it", func() bool {
			of, l = logged(t, m, driver.LogOptions{Limit: 1}, called)
			return l.Changes[0].By.PeerID == a.Identity().PeerID
		})
		if l.Changes[0].Heard == nil || !strings.HasPrefix(of[0], "untagged team/app:1-lost") && !strings.HasPrefix(of[0], "deleted") {
			t.Errorf("%q %+v", of, l.Changes[0])
		}
	}
}
