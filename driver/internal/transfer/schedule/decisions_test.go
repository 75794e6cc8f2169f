package schedule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// usualTiming is the timing of a registry with the default configuration.
var usualTiming = Timing{
	Grace: 250 * time.Millisecond, Hedge: 150 * time.Millisecond, Yield: 500 * time.Millisecond,
	Retry: 250 * time.Millisecond, Backoff: 2 * time.Second, Stall: 30 * time.Second,
}

// epoch is the present in every test, until the test says "later".
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestDecisions plays the files in testdata: a state or events, "----", and what is chosen or
// answered. A set of leaves is written 0-3,5. Bytes are given in leaves, rates in leaves per
// second, and a point in time as how long ago it was. After an intended change,
// go test -run TestDecisions -rewrite writes the new choices into the files: read each of them.
func TestDecisions(t *testing.T) {
	commands := map[string]func(*script) string{
		"choose": choose, "offers": listOffers, "few": chooseFew, "ranks": ranks, "roster": playRoster, "plan": playPlan,
		"trees": playTrees,
	}
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			command := commands[d.Cmd]
			require.NotNil(t, command, "%s: no command %q", d.Pos, d.Cmd)
			return command(&script{t: t, d: d})
		})
	})
}

// script is the input of one command.
type script struct {
	t *testing.T
	d *datadriven.TestData
}

// number is an argument of the command.
func (s *script) number(key string, otherwise int) int {
	if s.d.HasArg(key) {
		s.d.ScanArgs(s.t, key, &otherwise)
	}
	return otherwise
}

// lines returns each line as words and options. An option is a word of the form key=value, or a key
// alone.
func (s *script) lines(do func(w words)) {
	for line := range strings.Lines(s.d.Input) {
		if fields := strings.Fields(line); len(fields) > 0 {
			do(words{s, fields})
		}
	}
}

type words struct {
	s      *script
	fields []string
}

func (w words) fail(err error) {
	require.NoError(w.s.t, err, "%s: %s", w.s.d.Pos, strings.Join(w.fields, " "))
}

func (w words) at(i int) string {
	require.Less(w.s.t, i, len(w.fields), "%s: %s", w.s.d.Pos, strings.Join(w.fields, " "))
	return w.fields[i]
}

func (w words) id(i int) peer.ID { return peer.ID(w.at(i)) }

func (w words) int(i int) int {
	n, err := strconv.Atoi(w.at(i))
	w.fail(err)
	return n
}

func (w words) duration(i int) time.Duration { return w.parseDuration(w.at(i)) }

func (w words) parseDuration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	w.fail(err)
	return d
}

// has reports whether a key is on the line.
func (w words) has(key string) bool { return slices.Contains(w.fields, key) }

// option returns the value of key=value; "" when the key is not on the line.
func (w words) option(key string) string {
	for _, f := range w.fields {
		if value, ok := strings.CutPrefix(f, key+"="); ok {
			return value
		}
	}
	return ""
}

func (w words) number(key string, otherwise float64) float64 {
	value := w.option(key)
	if value == "" {
		return otherwise
	}
	n, err := strconv.ParseFloat(value, 64)
	w.fail(err)
	return n
}

// ago returns the time that was as long ago as an option says; the zero time when the option is not
// on the line.
func (w words) ago(now time.Time, key string) time.Time {
	if value := w.option(key); value != "" {
		return now.Add(-w.parseDuration(value))
	}
	return time.Time{}
}

// span reads first-last as [from, to).
func (w words) span(text string) (from, to int) {
	first, last, more := strings.Cut(text, "-")
	from, err := strconv.Atoi(first)
	w.fail(err)
	if !more {
		return from, from + 1
	}
	to, err = strconv.Atoi(last)
	w.fail(err)
	return from, to + 1
}

func (w words) set(text string, leaves int) bitset.Set {
	set := bitset.New(leaves)
	for part := range strings.SplitSeq(text, ",") {
		if part == "" || part == "none" {
			continue
		}
		from, to := w.span(part)
		for i := from; i < to; i++ {
			set.Add(i)
		}
	}
	return set
}

// span writes [from, to) as first-last.
func span(from, to int) string {
	switch to - from {
	case 0:
		return "none"
	case 1:
		return strconv.Itoa(from)
	}
	return fmt.Sprintf("%d-%d", from, to-1)
}

func writeSet(set bitset.Set) string {
	var parts []string
	for i := 0; i < 8*len(set); i++ {
		from := i
		for set.Has(i) {
			i++
		}
		if i > from {
			parts = append(parts, span(from, i))
		}
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, ",")
}

func list(ids []peer.ID) string {
	if len(ids) == 0 {
		return "nobody"
	}
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = string(id)
	}
	return strings.Join(words, " ")
}

// holderFrom reads: <id> whole|some=<set> [guessed] [fed] [damaged] [untrusted] [unproved] [sunk]
// [proved] [busy=] [failures=]
// [rests=<for how long>] [rate=<leaves a second>].
func holderFrom(w words, now time.Time, leaves int) *holder {
	h := &holder{
		whole: w.has("whole"), guessed: w.has("guessed"), fed: w.has("fed"), damaged: w.has("damaged"),
		standing: Standing{Untrusted: w.has("untrusted"), Unproved: w.has("unproved"), Sunk: w.has("sunk")}, proved: w.has("proved"),
		busy: int(w.number("busy", 0)), failures: int(w.number("failures", 0)), rate: w.number("rate", 0) * dag.LeafSize,
	}
	if !h.whole {
		h.part(w.set(w.option("some"), leaves))
	}
	if rests := w.option("rests"); rests != "" {
		h.until = now.Add(w.parseDuration(rests))
	}
	return h
}

// writeHolder is the inverse of holderFrom.
func writeHolder(id peer.ID, h *holder, now time.Time) string {
	b := new(strings.Builder)
	fmt.Fprint(b, string(id))
	if h.whole {
		fmt.Fprint(b, " whole")
	} else {
		fmt.Fprint(b, " some=", writeSet(h.some))
	}
	for _, flag := range []struct {
		set  bool
		name string
	}{{h.guessed, "guessed"}, {h.fed, "fed"}, {h.damaged, "damaged"}} {
		if flag.set {
			fmt.Fprint(b, " ", flag.name)
		}
	}
	if h.busy > 0 {
		fmt.Fprint(b, " busy=", h.busy)
	}
	if h.failures > 0 {
		fmt.Fprint(b, " failures=", h.failures)
	}
	if h.rests(now) {
		fmt.Fprint(b, " rests=", h.until.Sub(now))
	}
	if h.rate > 0 {
		fmt.Fprintf(b, " rate=%.4g", h.rate/dag.LeafSize)
	}
	return b.String()
}

// runFrom reads: <holder> <leaves> [first=] [began=<ago>] [last=<ago>] [got=<leaves>]
// [patience=] [namer=] [twice] [hung].
func runFrom(w words, i int, now time.Time) *Run {
	r := &Run{Holder: w.id(i), Began: w.ago(now, "began"), Got: int64(w.number("got", 0) * dag.LeafSize), twice: w.has("twice"), hung: w.has("hung")}
	r.Namer = peer.ID(w.option("namer"))
	r.From, r.To = w.span(w.at(i + 1))
	r.First = int(w.number("first", float64(r.From)))
	if r.Began.IsZero() {
		r.Began = now
	}
	if r.Last = w.ago(now, "last"); r.Last.IsZero() {
		r.Last = now
	}
	if patience := w.option("patience"); patience != "" {
		r.Patience = w.parseDuration(patience)
	}
	return r
}

func writeRun(r *Run) string {
	twice := ""
	if r.twice {
		twice = " twice"
	}
	return fmt.Sprintf("%s of %s%s", span(r.From, r.To), string(r.Holder), twice)
}

func dice() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }
