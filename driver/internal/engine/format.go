package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	ds "github.com/ipfs/go-datastore"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/build"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/datastore/legacy"
)

// formatKey holds the number of the format of all that lies under datastorepath,
// releaseKey which release opened it last.
var (
	formatKey  = ds.NewKey("/format")
	releaseKey = ds.NewKey("/release")
)

// migration brings what lies under datastorepath, and in its datastore, from one format to
// the next. It is run before anything else is opened, and again from its beginning when the
// process was killed before its end, so it has to cope with what it did already.
type migration func(ctx context.Context, db ds.Batching, datastorePath string) error

// migrations are in the order of the formats: the first leads from format 1 to 2. A
// migration is needed when a release changes existing data; data that it only adds needs
// none. See docs/decisions/0013-formats.md. Format 3 is one that no start leads to: it says only that history
// was dropped (history.go). The next format is 4, and its migration takes both.
func migrations() []migration { return []migration{fromBadger} }

const (
	startFormat     = 2 // a new datastore's, and what an earlier one is brought to
	compactedFormat = 3 // earlier releases would give newcomers a history, or a state, with holes
)

// fromBadger leads from format 1, which is in badger, to 2, which is in pebble: openDatastore has
// converted it, because the format is in what is converted.
func fromBadger(context.Context, ds.Batching, string) error { return nil }

// refusal is what a release that reads format 1 finds, and says.
func refusal() legacy.Later {
	return legacy.Later{formatKey: []byte(strconv.Itoa(startFormat)), releaseKey: []byte(build.Read().Version)}
}

// storedFormat is the format of a datastore; 0 when the datastore is new: no registry ran
// on it yet, though `ipfs id` may have put this registry's key there. A format after the
// latest one that can be read is an error.
func storedFormat(ctx context.Context, db ds.Datastore, latest int) (format int, err error) {
	got, err := db.Get(ctx, formatKey)
	if errors.Is(err, ds.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the format: %w", err)
	}
	if format, err = strconv.Atoi(string(got)); err == nil && format >= 1 && format <= latest {
		return format, nil
	}
	release, err := db.Get(ctx, releaseKey)
	if err != nil {
		release = []byte("unknown")
	}
	return 0, fmt.Errorf("written in format %.32q by a later release (%.64s), this one reads up to %d: use that release, or a later one",
		got, release, latest)
}

// migrate brings a datastore to this release's format, step by step: each is written
// down once it is done.
func migrate(ctx context.Context, db ds.Batching, datastorePath string, from int, all []migration) error {
	for format := from; format <= len(all); format++ {
		if err := all[format-1](ctx, db, datastorePath); err != nil {
			return fmt.Errorf("migrate from format %d to %d: %w; it goes on at the next start", format, format+1, err)
		}
		if err := setFormat(ctx, db, format+1); err != nil {
			return err
		}
	}
	return nil
}

func setFormat(ctx context.Context, db ds.Batching, format int) error {
	err := errors.Join(db.Put(ctx, formatKey, []byte(strconv.Itoa(format))), db.Sync(ctx, formatKey))
	if err != nil {
		return fmt.Errorf("write the format: %w", err)
	}
	return nil
}

// noteRelease writes down that this release opened a datastore, so that an earlier one
// can say which is needed.
func noteRelease(ctx context.Context, db ds.Batching) error {
	release := build.Read().Version
	if got, err := db.Get(ctx, releaseKey); err == nil && string(got) == release {
		return nil
	}
	if err := db.Put(ctx, releaseKey, []byte(release)); err != nil {
		return fmt.Errorf("write the release: %w", err)
	}
	return nil
}
