package transfer

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

// maxTold is how many sources of a blob a line of the log names.
const maxTold = 3

// tell logs where a blob came from and what that cost: at info if somebody waited for it, and else
// for debugging.
func (t *Transfers) tell(s story.Story) {
	if s.Result != story.Whole && s.Result != story.Streamed {
		return // report has told it, and warned only once an hour
	}
	fields := logrus.Fields{
		"cid": s.CID, "for": s.For, "size": humanize.IBytes(uint64(s.Size)), "from": t.sourcesText(s),
		"took": rounded(s.Took()), "first_byte": rounded(s.First),
	}
	if l := s.Limit(); l.What != story.Nothing {
		fields["limit"] = t.limitText(l)
	}
	if n := s.Retries(); n > 0 {
		fields["retries"] = n
	}
	log := t.cfg.Log.WithFields(fields)
	if s.For == story.Client || s.For == story.Trace {
		log.Info("a blob was fetched")
		return
	}
	log.Debug("a blob was fetched")
}

// sourcesText says from whom a blob came, the greatest part first.
func (t *Transfers) sourcesText(s story.Story) string {
	var all []string
	useful := 0
	for _, of := range s.Sources {
		if of.Bytes == 0 {
			continue
		}
		if useful++; useful > maxTold {
			continue
		}
		all = append(all, fmt.Sprintf("%s %d%% by %s, %s/s", t.called(of.Peer), 100*of.Bytes/max(s.Size, 1), roadsText(of.Roads),
			humanize.IBytes(uint64(of.Rate()))))
	}
	if more := useful - maxTold; more > 0 {
		all = append(all, fmt.Sprintf("and %d more", more))
	}
	if s.Copied > 0 {
		all = append(all, fmt.Sprintf("other blobs here %d%%", 100*s.Copied/max(s.Size, 1)))
	}
	if s.Before > 0 {
		all = append(all, fmt.Sprintf("here before %d%%", 100*s.Before/max(s.Size, 1)))
	}
	return strings.Join(all, "; ")
}

func (t *Transfers) limitText(l story.Limit) string {
	text := string(l.What)
	if l.Peer != "" {
		text += " (" + t.called(l.Peer) + ")"
	}
	return fmt.Sprintf("%s, %.0f%% of the time", text, 100*l.Share)
}

// called is what a member is called, or else the end of its peer ID.
func (t *Transfers) called(id peer.ID) string {
	if id == "" {
		return "other peers"
	}
	if t.cfg.Name != nil {
		if name := t.cfg.Name(id); name != "" {
			return name
		}
	}
	text := id.String()
	return text[max(0, len(text)-8):]
}

func roadsText(roads []story.Road) string {
	var all []string
	for _, r := range roads {
		all = append(all, string(r))
	}
	return strings.Join(all, " and ")
}

func rounded(d time.Duration) string {
	switch {
	case d > time.Second:
		d = d.Round(10 * time.Millisecond)
	case d > time.Millisecond:
		d = d.Round(100 * time.Microsecond)
	}
	return d.String()
}
