package pathmap

import (
	"fmt"
	"strings"

	"github.com/ipfs/go-datastore/query"
)

// comparing is a pass over the versions on disk, before a state becomes a part of the map. Writers go on
// meanwhile: what they add is of no delta that the state knows.
type comparing struct {
	k     *taking
	now   *snapshot
	drops drops
	of    map[string]bool // delta → it is in the past of the state; some of those that were looked up
	last  string          // the last version that did not come and is alive
}

// compare finds which versions that are here were deleted at the member, and writes that down. And it
// makes sure that each version on disk that no merged delta added is one of the state, in whose past the
// delta is that added it. Any other one nobody would ever see, or delete.
func (k *taking) compare() error {
	c := &comparing{k: k, now: k.m.current.Load(), drops: drops{m: k.m, under: dropsOf(k.label)}, of: map[string]bool{}}
	k.gone = map[digest]struct{}{}
	err := k.m.scan(elemKeys, "", true, func(e query.Entry) error {
		key, id := splitPlace(e.Key[len(elemKeys):])
		past, err := c.isPast(key, id)
		if err != nil {
			return err
		}
		return c.version(strings.Clone(key), strings.Clone(id), past)
	})
	if err != nil {
		return err
	}
	return c.drops.write()
}

// isPast reports whether the delta that wrote a version is in the past of the state.
func (c *comparing) isPast(key, id string) (past bool, err error) {
	past, seen := c.of[id] // versions that follow one another are often of one delta
	if seen {
		return past, nil
	}
	if _, past, err = c.k.m.priorityOf(c.k.nameKey(id)); err != nil {
		return false, err
	}
	if !past {
		_, merged, err := c.k.m.knownID(id)
		if err != nil {
			return false, err
		}
		if !merged {
			return false, fmt.Errorf("%w: the change that wrote %q is not in its past", errWrongState, clip(key))
		}
	}
	if len(c.of) == scanned {
		clear(c.of)
	}
	c.of[strings.Clone(id)] = past
	return past, nil
}

// version looks at one version on disk, and whether the state deletes it.
func (c *comparing) version(key, id string, past bool) error {
	path, of, ours, err := parseKey(key)
	if err != nil || !ours {
		return nil // it is of a later release: nobody shows it
	}
	if isLasting(path) {
		return nil // only a member of an earlier release can lack it
	}
	if _, alive := c.now.valueOf(path, of); !alive {
		return nil
	}
	v := stateVersion{key: key, id: id, path: path, version: of}
	if _, came := c.k.m.taken.here[v.mark()]; came {
		return nil
	}
	// Of two that wrote it one may be deleted: what the state says of that one says nothing of the other.
	if dead, err := c.k.m.cfg.Store.Has(c.k.m.ctx, dsKey(tombKeys+key+id)); err != nil || dead {
		return err
	}
	if key == c.last { // two wrote it
		_, err := c.k.m.addedBy(key)
		return err
	}
	c.last = key
	if !past {
		return nil
	}
	c.k.drops = true
	c.k.gone[v.mark()] = struct{}{}
	return c.drops.add(v)
}
