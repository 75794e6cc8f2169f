package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// maxDamaged is how many damaged blobs `ipfs status` names.
const maxDamaged = 5

// section is a part of `ipfs status`: a title, and rows whose columns are aligned.
type section struct {
	title string
	rows  [][]string
}

func (s *section) row(cells ...string) { s.rows = append(s.rows, cells) }

// field is a row of a name and one value.
func (s *section) field(name, format string, args ...any) { s.row(name, fmt.Sprintf(format, args...)) }

// statusSections are the parts of a status, in order; those without a row are not printed.
// What needs the operator's attention comes first.
func statusSections(s driver.Status, wide bool) []section {
	id := shortID
	if wide {
		id = func(peerID string) string { return peerID }
	}
	return []section{
		registrySection(s, id, wide), storageSection(s), transferSection(s.Transfers, id), memberSection(s.Members, id, wide),
	}
}

func printSections(out io.Writer, sections []section) error {
	first := true
	for _, s := range sections {
		if len(s.rows) == 0 {
			continue
		}
		s.title = printable(s.title)
		if !first {
			s.title = "\n" + s.title
		}
		first = false
		if _, err := fmt.Fprintln(out, s.title); err != nil {
			return err
		}
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, row := range s.rows {
			cells := make([]string, len(row))
			for i, cell := range row {
				cells[i] = printable(cell)
			}
			_, _ = fmt.Fprintln(w, "  "+strings.TrimRight(strings.Join(cells, "\t"), "\t")) // Flush gives the error
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func registrySection(s driver.Status, id func(string) string, wide bool) section {
	sec := section{title: "REGISTRY"}
	sec.field("name", "%s", orDash(s.Name))
	sec.field("peer", "%s", s.PeerID)
	for _, a := range s.Addresses {
		sec.field("address", "%s", a)
	}
	for _, a := range s.DataAddresses {
		sec.field("data port", "%s", a)
	}
	sec.field("network", "%s, topic %s", s.Network, s.Topic)
	sec.field("up", "%s", time.Since(s.Started).Round(time.Second))
	sec.field("version", "%s", buildText(driver.Build{Version: s.Version, Commit: s.Commit, Date: s.BuildDate}))
	for _, reason := range s.NotReady {
		sec.field("not ready", "%s", reason)
	}
	if len(s.NotReady) == 0 {
		sec.field("ready", "yes")
	}
	for _, m := range s.Members {
		if n := m.NotFollowed; n != nil {
			sec.field("warning", "does not follow %s since %s: %s", cmp.Or(m.Name, id(m.PeerID)), n.Since.Format(time.RFC3339), n.Reason)
		}
	}
	for _, b := range s.Bootstrappers {
		if !b.Met {
			of := b.Called()
			if b.PeerID != "" {
				of = id(of)
			}
			sec.field("warning", "bootstrapper %s not met since the start: %s", of, cmp.Or(b.Trouble, "no answer yet"))
		}
	}
	if s.ReadOnly && s.Revoked == "" {
		sec.field("read only", "this registry is not in its own trustedpeers")
	}
	for i, key := range s.ProtectorKeys {
		sec.field([]string{"protector key", "next key"}[min(i, 1)], "%s", key)
	}
	peerListFields(&sec, s.PeerLists)
	limitFields(&sec, s.Limits, wide)
	return sec
}

// peerListFields say whom this registry trusts and lets in, unless that is everybody, and which file has
// no list now.
func peerListFields(sec *section, lists []driver.PeerList) {
	for _, l := range lists {
		what := strings.TrimSuffix(l.Key, "file")
		switch {
		case l.Path != "" && l.All:
			sec.field(what, "everybody, by %s since %s", l.Path, humanize.Time(l.Since))
		case l.Path != "":
			sec.field(what, "%s, by %s since %s", counted(l.Peers, "peer"), l.Path, humanize.Time(l.Since))
		case !l.All:
			sec.field(what, "%s", counted(l.Peers, "peer"))
		}
		if l.Trouble != "" {
			sec.field("warning", "%s %s: %s; the last good list stays", l.Key, l.Path, l.Trouble)
		}
	}
}

// limitFields say what peers were refused since the start, and with wide also what they may have.
func limitFields(sec *section, limits []driver.LimitStatus, wide bool) {
	for _, l := range limits {
		var by []string
		for _, rank := range slices.Sorted(maps.Keys(l.Refused)) {
			by = append(by, fmt.Sprintf("%d (%s)", l.Refused[rank], rank))
		}
		if len(by) > 0 {
			sec.field("refused", "%s: %s", l.What, strings.Join(by, ", "))
		}
	}
	for _, l := range limits {
		switch {
		case !wide || l.Total == 0:
		case l.OfAPeer > 0:
			sec.field("limit", "%d %s, %d of one trusted member", l.Total, l.What, l.OfAPeer)
		default:
			sec.field("limit", "%d %s", l.Total, l.What)
		}
	}
}

func storageSection(s driver.Status) section {
	sec := section{title: "STORAGE"}
	sec.field("path", "%s", s.DataPath)
	sec.field("disk", "%s free of %s", humanize.IBytes(s.Disk.FreeBytes), humanize.IBytes(s.Disk.TotalBytes))
	if u := s.Uploads; u.Oldest != nil {
		sec.field("uploads", "%d unfinished (%s), the oldest began %s", u.Count, bytesText(u.Bytes), humanize.Time(*u.Oldest))
	}
	if g := s.Garbage; g.Marked+g.Unnamed+g.Deleted+g.Removed.Blobs > 0 {
		sec.field("garbage", "waiting for their grace: %s; here without an entry: %s; since the start %s deleted, %s removed here",
			counted(g.Marked, "entry"), counted(g.Unnamed, "blob"), counted(g.Deleted, "entry"), bytesText(g.Removed.Bytes))
	}
	for _, u := range s.Garbage.WaitsFor {
		sec.field("garbage waits", "for %s", waitsText(u))
	}
	sec.field("map", "%s, %s", counted(s.Map.Entries, "entry"), counted(s.Map.Heads, "head"))
	historyFields(&sec, s.Map.History)
	if since := s.Map.BehindSince; since != nil {
		sec.field("behind", "since %s: it lacks changes that a connected member has", since.Format(time.RFC3339))
	}
	if t := s.Map.Taking; t != nil {
		sec.field("state", "%d of %s from %s, since %s", t.Paths, counted(t.Of, "path"), nameOf(s.Members, t.From), humanize.Time(t.Since))
	}
	sec.field("digest", "%s", s.Map.Digest)
	if r := s.Map.Signatures; r != nil {
		sec.field("signatures", "required since %s, as %s was told", r.Since.UTC().Format(time.RFC3339), printable(cmp.Or(r.Name, r.By)))
	}
	sec.field("hash", "%s", s.Hash)
	sec.field("blobs", "%d here (%s), %s", s.Blobs.Here, bytesText(s.Blobs.Bytes), missingText(s.Blobs))
	copiesFields(&sec, s.Copies)
	ackFields(&sec, s.Acks)
	cacheFields(&sec, s.Cache)
	scrubFields(&sec, s.Scrub)
	damageFields(&sec, s.Blobs)
	return sec
}

// historyFields say how much is here of the changes that led to the map, and for whom more is kept.
func historyFields(sec *section, h driver.HistoryStatus) {
	text := counted(h.Kept, "change")
	if h.Compacted > 0 {
		text += fmt.Sprintf(", and the names of %d that were dropped %s", h.Compacted, humanize.Time(*h.CompactedAt))
	}
	if h.Held != "" {
		text += "; none is dropped now: " + h.Held
	}
	sec.field("history", "%s", text)
	for _, u := range h.WaitsFor {
		sec.field("history waits", "for %s", waitsText(u))
	}
}

// scrubFields say how far the scrub is, and what it found.
func scrubFields(sec *section, s driver.ScrubStatus) {
	if s.Interval == 0 {
		return
	}
	last := "never read to their end"
	if s.Ended != nil {
		last = "last all read " + humanize.Time(*s.Ended)
	}
	text := fmt.Sprintf("%.0f%% of the blobs read since %s, %s", 100*s.Share, s.Began.Format(time.RFC3339), last)
	if n := s.Damaged + s.Lost; n > 0 {
		text += fmt.Sprintf("; since the start %d damaged and %d lost were found", s.Damaged, s.Lost)
	}
	sec.field("scrub", "%s", text)
	if len(s.Tables) > 0 {
		sec.field("warning", "metadata is damaged (%s): this registry may not start again", strings.Join(s.Tables, ", "))
	}
	if s.Strays > 0 {
		sec.field("warning", "%s in blobs/ %s; the log names one", counted(s.Strays, "file"), either(s.Strays, "is no blob", "are no blobs"))
	}
}

// damageFields name damaged blobs, with the images that need them.
func damageFields(sec *section, b driver.BlobStatus) {
	n := len(b.Damaged)
	if n == 0 {
		return
	}
	sec.field("damaged", "%d of those not here %s damaged or lost, and no member could mend it; push %s again:", n,
		either(n, "is", "are"), either(n, "it", "them"))
	for _, d := range b.Damage[:min(len(b.Damage), maxDamaged)] {
		images := strings.Join(d.Images, ", ")
		if d.More {
			images = strings.TrimPrefix(images+", and perhaps others", ", ")
		}
		sec.field("", "%s (%s), needed by %s", cmp.Or(d.Digest, d.CID), bytesText(d.Size), cmp.Or(images, "no image"))
	}
	if n > maxDamaged {
		sec.field("", "and %d more", n-maxDamaged)
	}
}

func missingText(b driver.BlobStatus) string {
	if b.CountedAt == nil {
		return "those that are not are being counted"
	}
	return fmt.Sprintf("%d not here", b.Missing)
}

func copiesFields(sec *section, c driver.CopiesStatus) {
	if c.Draining {
		sec.field("draining", "it takes no pushes, and others fetch what it kept: `registry ipfs drain <config>` says how far they are")
	}
	surveyFields(sec, c)
	if c.Replicas == "0" {
		return
	}
	sec.field("copies", "%s of each blob; kept here: %s, %d more to come", c.Replicas, blobsText(c.Kept, c.KeptBytes), c.Pending)
	switch {
	case c.Full:
		sec.field("warning", "no room for copies: %s could not be kept; %s", counted(c.Failed, "blob"), lackText(c.Lacking))
	case c.Failed > 0:
		sec.field("warning", "%s that %s to be kept here could not be fetched", counted(c.Failed, "blob"), either(c.Failed, "is", "are"))
	}
	if c.Hold != "" {
		sec.field("copies wait", "blobs get no new keepers: %s", c.Hold)
	}
}

// lackText says what is missing where a disk is full, and what to do.
func lackText(bytes int64) string {
	if bytes == 0 {
		return "its disk has too few inodes, or its datastore takes no writes: remove files, or add disk"
	}
	return bytesText(bytes) + " more have to be free: add disk, or give it a smaller `capacity`"
}

func ackFields(sec *section, a driver.AckStatus) {
	if a.Replicas <= 1 {
		return
	}
	sec.field("acknowledged", "by %s; since the start %s, %d refused; %d %s now", counted(a.Replicas, "disk"),
		counted(int(a.Given), "push"), a.Refused, a.Waiting, either(a.Waiting, "waits", "wait"))
	if a.Why != "" {
		sec.field("warning", "pushes are refused: %s", a.Why)
	}
}

func cacheFields(sec *section, c driver.CacheStatus) {
	limit := ""
	if c.Limit != nil {
		limit = ", of at most " + bytesText(*c.Limit)
	}
	sec.field("cache", "%s%s; %s of the disk stay free; since the start %s left it",
		blobsText(c.Blobs, c.Bytes), limit, bytesText(c.MinFree), blobsText(c.EvictedBlobs, c.EvictedBytes))
	if c.Stuck != "" {
		sec.field("warning", "no room can be made: %s", c.Stuck)
	}
}

// surveyFields say what is not safe, as the members said when they were last asked.
func surveyFields(sec *section, c driver.CopiesStatus) {
	if c.Surveyed == nil {
		return
	}
	text := blobsText(c.OnlyHere.Blobs, c.OnlyHere.Bytes)
	if c.Replicas != "0" {
		few := c.UnderReplicated
		text += fmt.Sprintf("; %s here %s too few keepers", blobsText(few.Blobs, few.Bytes), either(few.Blobs, "has", "have"))
	}
	text += "; asked " + humanize.Time(*c.Surveyed)
	if c.Silent > 0 {
		text += fmt.Sprintf(", %s did not answer", counted(c.Silent, "member"))
	}
	sec.field("only here", "%s", text)
}

func transferSection(t driver.Transfers, id func(string) string) section {
	sec := section{title: fmt.Sprintf("TRANSFERS  %d active, %s received, %s sent", t.Active,
		bytesText(t.BytesIn), bytesText(t.BytesOut))}
	if len(t.Running) == 0 {
		sec.row("none")
		return sec
	}
	sec.row("BLOB", "HERE", "SIZE", "BEGUN", "WAITING", "FROM", "ROAD", "RATE")
	for _, b := range t.Running {
		here := bytesText(b.Here)
		if b.Streamed {
			here += " streamed" // to a client, and not kept
		}
		cells := []string{b.CID, here, bytesText(b.Size), humanize.Time(b.Since), fmt.Sprint(b.Waiting)}
		if len(b.Sources) == 0 {
			sec.row(append(cells, "-", "-", "-")...)
		}
		for _, from := range b.Sources {
			who := id(from.PeerID)
			if who == "" {
				who = "other peers"
			}
			sec.row(append(cells, who, from.Road, perSecond(from.Rate))...)
			cells = make([]string, len(cells)) // what is said once for each blob
		}
	}
	return sec
}

func memberSection(members []driver.Member, id func(string) string, wide bool) section {
	connected, called := 0, map[string]string{}
	for _, m := range members {
		called[m.PeerID] = m.Name
		if m.Connected {
			connected++
		}
	}
	sec := section{title: fmt.Sprintf("MEMBERS  %d of %d connected", connected, len(members))}
	if len(members) == 0 {
		sec.row("none")
		return sec
	}
	sec.row("NAME", "PEER", "STATE", "SINCE", "ADDRESS", "BLOBS BY", "LAST CHANGE", "NOTES")
	for _, m := range members {
		sec.row(memberRow(m, id, byWayOf(m.Relay, called, id))...)
		if wide {
			if m.Capacity != nil {
				sec.row("", "", "", "keeps", keepsText(m))
			}
			for _, a := range m.Addresses {
				sec.row("", "", "", "known at", a)
			}
		}
	}
	return sec
}

func memberRow(m driver.Member, id func(string) string, by string) []string {
	state, road, last := "lost", "-", "-"
	if m.Connected {
		state, road = "connected", "libp2p"+by
	}
	if m.DataPort {
		road = "data port"
	}
	if m.LastDelta != nil {
		last = humanize.Time(*m.LastDelta)
	}
	return []string{
		orDash(m.Name), id(m.PeerID), state, humanize.Time(m.Since), orDash(m.Address), road, last, strings.Join(memberNotes(m), ", "),
	}
}

// keepsText is how much a member keeps for others.
func keepsText(m driver.Member) string {
	text := "nothing for others"
	if *m.Capacity > 0 {
		text = bytesText(*m.Capacity) + " for others"
	}
	if m.Zone != "" {
		text += ", zone " + m.Zone
	}
	text += fmt.Sprintf(", %s free", bytesText(*m.FreeBytes))
	if m.NoRoom != nil {
		text += ", no room for " + counted(m.NoRoom.Blobs, "copy")
	}
	return text
}

// memberNotes are what an operator should know about a member, if anything.
func memberNotes(m driver.Member) (notes []string) {
	if !m.Trusted {
		notes = append(notes, "not trusted")
	}
	if m.TrustDiffers {
		notes = append(notes, "its trustedpeers differ")
	}
	switch {
	case m.Drained:
		notes = append(notes, "drained")
	case m.Draining:
		notes = append(notes, "draining")
	}
	if m.NotFollowed != nil {
		notes = append(notes, "not followed")
	}
	return notes
}

// shortID is the end of a peer ID, which tells members apart: they all begin alike.
func shortID(peerID string) string { return peerID[max(0, len(peerID)-8):] }

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// nameOf names a member.
func nameOf(members []driver.Member, peerID string) string {
	for _, m := range members {
		if m.PeerID == peerID && m.Name != "" {
			return m.Name
		}
	}
	return shortID(peerID)
}
