package driver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

const (
	mostLogged    = 1000   // lines of one answer
	usuallyLogged = 100    // without another limit
	mostLooked    = 50_000 // deltas that one answer looks at
	mostOld       = 5_000  // of these, in a row, before Since
	logTime       = 20 * time.Second
)

// LogOptions say which changes of the map are asked for. The zero value is the last 100.
type LogOptions struct {
	Repository string    // only of this one; "": of all
	Since      time.Time // only those that are later, by the clocks of their authors; zero: all
	Conflicts  bool      // only tags that were set on several registries at the same time
	Limit      int       // how many; 0: 100; at most 1,000
	Before     string    // Log.Next of an answer before: go on from there; "": begin with the last change
}

// Log is what changed in the map, the latest first. What was written on several registries at the
// same time has no order of its own, and stands in one that is the same on all of them.
type Log struct {
	Changes []LogChange `json:"changes"`
	Looked  int         `json:"looked"` // at so many deltas of the history
	Next    string      `json:"next"`   // where to go on, for LogOptions.Before; "": there is nothing before
}

// LogChange is one change of a tag or a manifest.
type LogChange struct {
	What       string       `json:"what"` // tagged, moved (a tag), again (a tag was pushed, and leads where it led), untagged, pushed (a manifest without a tag), or deleted (a manifest)
	Repository string       `json:"repository"`
	Tag        string       `json:"tag"`    // "": of a manifest
	Digest     string       `json:"digest"` // of the manifest; of one that is deleted or untagged, which it was; "": it cannot be read
	From       []string     `json:"from"`   // digests to which the tag led before, as its author saw it: several after a conflict
	By         Author       `json:"by"`     // whose registry took it; no peer ID: the history does not say who deleted it
	At         *time.Time   `json:"at"`     // when, by the author's clock; nil: the history does not say when it was deleted
	Heard      *time.Time   `json:"heard"`  // of a delete, when this registry heard of it, by its own clock; nil: before its last start, or long ago
	Conflict   *TagConflict `json:"conflict"`
}

// TagConflict is a tag that was set on several registries at the same time: none had heard of the
// others.
type TagConflict struct {
	Open bool         `json:"open"` // the tag was not set or deleted since
	Won  TagVersion   `json:"won"`
	Lost []TagVersion `json:"lost"`
}

// TagVersion is what a tag was set to.
type TagVersion struct {
	Digest   string     `json:"digest"`
	By       Author     `json:"by"`
	At       *time.Time `json:"at"`       // by the author's clock
	Manifest string     `json:"manifest"` // here, elsewhere (a member has its bytes), silent (nobody who answers has them), or deleted (from the repository)
}

// Log tells what changed in the map, as its history has it: as many changes as were asked for, and all
// of the last delta. With Conflicts those that are open come first. It reads no more than 50,000
// deltas, and 5,000 in a row that are before Since. The error is an *AnswerError in a Client when Before is none
// of an answer, or the history is not in order yet.
func (d *Driver) Log(ctx context.Context, o LogOptions) (Log, error) { return d.store.logOf(ctx, o) }

// Log asks what changed in the map, as Driver.Log does.
func (c *Client) Log(ctx context.Context, o LogOptions) (Log, error) {
	q := admin.Query{"repository": {o.Repository}, "before": {o.Before}}
	if !o.Since.IsZero() {
		q.Set("since", o.Since.Format(time.RFC3339Nano))
	}
	if o.Limit > 0 {
		q.Set("limit", strconv.Itoa(o.Limit))
	}
	if o.Conflicts {
		q.Set("conflicts", "")
	}
	return ask[Log](ctx, c, http.MethodGet, "/v1/log", q)
}

func (s *store) logRoute() admin.Route {
	return admin.Get("/v1/log", "What changed in the map: tags and manifests, by whom, and when; and conflicts. The latest first.", s.askedForLog,
		admin.Param{Name: "repository", About: "only of this one; without it of all"},
		admin.Param{Name: "since", About: "only what is later, as in RFC 3339; without it all"},
		admin.Param{Name: "conflicts", About: "given, with any value: only tags that were set on several registries at the same time"},
		admin.Param{Name: "limit", About: "how many; without it 100, at most 1000"},
		admin.Param{Name: "before", About: "next of an answer before: go on from there"})
}

func (s *store) askedForLog(ctx context.Context, q admin.Query) (Log, error) {
	limit, err := askedNumber(q, "limit")
	if err != nil {
		return Log{}, err
	}
	o := LogOptions{Repository: q.Get("repository"), Conflicts: q.Has("conflicts"), Limit: int(min(limit, mostLogged)), Before: q.Get("before")}
	if since := q.Get("since"); since != "" {
		if o.Since, err = time.Parse(time.RFC3339Nano, since); err != nil {
			return Log{}, admin.Invalid(fmt.Errorf("since: %w", err))
		}
	}
	return s.logOf(ctx, o)
}

func (s *store) logOf(ctx context.Context, o LogOptions) (Log, error) {
	if o.Limit <= 0 {
		o.Limit = usuallyLogged
	}
	o.Limit = min(o.Limit, mostLogged)
	within, cancel := context.WithTimeout(ctx, logTime)
	defer cancel()
	r := newLogReader(within, s, o)
	if o.Conflicts && o.Before == "" {
		r.openConflicts()
	}
	err := s.paths.Past(within, o.Before, r.read)
	switch err = cmp.Or(err, r.err); {
	case errors.Is(err, pathmap.ErrMark):
		return Log{}, admin.Invalid(fmt.Errorf("before: %w", err))
	case errors.Is(err, pathmap.ErrNotInOrder):
		return Log{}, admin.Conflict(err)
	case within.Err() != nil && ctx.Err() == nil && r.answer.Looked > 0: // Next says where to go on
		return r.answer, nil
	case err == nil && !r.full():
		r.answer.Next = ""
	}
	return r.answer, err
}
