package usage

import (
	"context"
	"math"
	"strings"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep/mark"
)

// Options are what a measurement needs besides the view.
type Options struct {
	Read     func(ctx context.Context, e pathmap.Entry) ([]byte, error) // as mark.Options.Read
	Here     func(cid.Cid) bool                                         // on this disk
	Copies   func(cid.Cid) int                                          // of a blob of this disk, with its own; 0: not known
	Untagged bool                                                       // manifests without a tag are garbage
	Progress func(mark.Progress)                                        // as mark.Options.Progress

	// Of are the repositories, and the images as repository:tag, that are asked about; none: all.
	Of []string
}

// Sum is a number of blobs, and of their bytes.
type Sum struct {
	Blobs int
	Bytes int64
}

func (s *Sum) add(bytes int64) { s.Blobs, s.Bytes = s.Blobs+1, s.Bytes+bytes }

// Report is what was measured.
type Report struct {
	Images       []Row // tags and manifests without one that are asked about, first what frees most
	Repositories []Row // of these, likewise

	Named    Sum // all blobs on this disk that have an entry
	Garbage  Sum // of these, what nothing refers to: the next collection frees it
	Together Sum // what deleting all Images frees

	Missing []string // of Options.Of, what is not there

	Unread      []mark.Unreadable
	UnreadCount int
	Stuck       bool // a later release wrote something that this one does not know: nothing is garbage
}

// Measure measures the images in a view. The error is that of ctx.
func Measure(ctx context.Context, view pathmap.View, o Options) (*Report, error) {
	m := &measurement{Options: o, roots: map[string]*blobs{}, report: &Report{}, wanted: wantedOf(o.Of)}
	found, err := mark.Walk(ctx, view, mark.Options{Read: o.Read, Progress: o.Progress}, mark.Visitor{Blob: m.blob, Repository: m.repository})
	if err != nil {
		return nil, err
	}
	m.report.Unread, m.report.UnreadCount, m.report.Stuck = found.Unreadable, found.UnreadableCount, found.Stuck
	for _, of := range m.roots {
		m.sum(of)
	}
	if m.report.Stuck {
		m.freeNothing()
	}
	m.report.Images, m.report.Repositories = asked(m.images, m.askedImages), asked(m.repositories, m.asked)
	m.report.Missing = m.wanted.missing()
	return m.report, nil
}

// measurement is one run of Measure.
type measurement struct {
	Options
	wanted       *wanted
	roots        map[string]*blobs
	images       []Row
	repositories []Row
	askedImages  []bool // of images
	asked        []bool // of repositories: any of them
	report       *Report
}

func (m *measurement) root(path string) *blobs {
	of, ok := m.roots[path]
	if !ok {
		of = &blobs{}
		m.roots[path] = of
	}
	return of
}

func (m *measurement) blob(root string, live []pathmap.Entry) {
	var b blob
	if len(live) > 0 {
		e := live[0]
		if b.here = m.Here(e.CID); dag.Profile().Check(e.Size) == nil { // else nobody has such a blob
			b.size = e.Size
		}
		if b.here {
			b.copies = uint8(min(m.Copies(e.CID), math.MaxUint8))
		}
	} else {
		b.claim(everybody, everybody) // a later release wrote it
	}
	of := m.root(root)
	of.all = append(of.all, b)
}

// repository counts what the images of a repository take.
func (m *measurement) repository(t *mark.Tree) {
	name := nameOf(t)
	whole := m.wanted.has(name)
	m.repositories = append(m.repositories, Row{Repository: name})
	m.asked = append(m.asked, whole)
	row := &m.repositories[len(m.repositories)-1]
	of := m.root(t.Root())
	for i, tag := range t.Tags() {
		c := m.begin(of, Row{Repository: name, Tag: tag}, m.wanted.has(name+":"+tag) || whole)
		c.image.Manifests, c.image.Unread = t.Follow(i, c.visit)
		row.Tags++
		row.Unread += c.image.Unread
	}
	if !m.Untagged {
		c := m.begin(of, Row{Repository: name}, whole)
		if c.image.Manifests = t.Untagged(c.visit); c.image.Manifests == 0 {
			m.images, m.askedImages = m.images[:len(m.images)-1], m.askedImages[:len(m.askedImages)-1]
		}
		row.Manifests = c.image.Manifests
	}
	if row.Blobs == 0 && row.Tags == 0 && !m.wanted.named(name) {
		m.asked[len(m.asked)-1] = false // it has nothing but links that are garbage
	}
	if t.Stays() { // what cannot be read might name any of it
		t.Linked(m.begin(of, Row{}, whole).all)
		m.images, m.askedImages = m.images[:len(m.images)-1], m.askedImages[:len(m.askedImages)-1]
	}
}

// nameOf is the name of a repository as clients write it.
func nameOf(t *mark.Tree) string {
	if name, ok := strings.CutPrefix(t.Path(), ocipath.Repositories+"/"); ok {
		return strings.Clone(name)
	}
	return t.Path()
}
