package pathmap

import (
	"fmt"

	"github.com/ipfs/go-cid"
)

// maxHeadBytes is how many bytes of deltas that nothing follows become a part of the map with a
// state: they are held in memory, and go in one transaction.
const maxHeadBytes = 4 << 20

// readHeads asks for the deltas of the cut that nothing follows: others ask for them by name.
func (k *taking) readHeads() error {
	size := 0
	for rest := []cid.Cid(k.head.Heads); len(rest) > 0; rest = k.head.Heads[len(k.blocks):] {
		page, err := k.x.get(k.t, rest)
		if err != nil {
			return err
		}
		for _, c := range rest[:len(page)] {
			d := page[c]
			priority, ok, err := k.m.priorityOf(k.nameKey(idOf(c)))
			if err != nil {
				return err
			}
			if !ok || d.priority != priority {
				return fmt.Errorf("%w: head %s is not in its past", errWrongState, c)
			}
			if size += d.size; size > maxHeadBytes {
				return fmt.Errorf("%w that can be taken: its heads have more than %d bytes", errGivesNone, maxHeadBytes)
			}
			k.blocks = append(k.blocks, d)
		}
	}
	return nil
}
