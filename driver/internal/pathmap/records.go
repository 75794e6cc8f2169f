package pathmap

import (
	"strconv"
	"strings"
)

// A garbage collection that does not wait for a writer says so beside its deletes, in the
// same call of Write: it records the greatest counter that it has merged of that writer. The
// record is a setting, so it merges, and an earlier release keeps it unread.

// unheardMark begins the name of such a record where a path is expected; the writer's peer
// ID follows.
const unheardMark = settingMark + "unheard/"

// Unheard gives the records, by the writer's peer ID: of several the least counter.
func (v View) Unheard() map[string]uint64 {
	all := map[string]uint64{}
	v.s.settings.Ascend(sortKey(unheardMark), func(key string, p packed) bool {
		writer, ok := strings.CutPrefix(pathOf(key), unheardMark)
		if !ok {
			return false
		}
		for _, st := range v.s.unpackAll(key, p) {
			text, _ := st.text()
			counter, err := strconv.ParseUint(text, 16, 64)
			if err != nil {
				continue // of a later release
			}
			if least, ok := all[writer]; !ok || counter < least {
				all[writer] = counter
			}
		}
		return true
	})
	return all
}

// RecordUnheard is the op that records, in place of the records in v, that the deletes in the
// same call of Write did not wait for a writer, of which a counter had been merged before the
// view was taken that the deletes come from: Merged gave it. The record comes first among the
// ops, so that no registry sees the deletes without it.
func (v View) RecordUnheard(writer string, counter uint64) (Op, error) {
	if least, ok := v.Unheard()[writer]; ok {
		counter = min(counter, least)
	}
	return textOp(unheardMark+writer, strconv.FormatUint(counter, 16))
}

// DropUnheard is the op that removes the records of a writer that are in v. The writer itself
// writes it, in the same call of Write as what it writes anew, and last among the ops.
func (v View) DropUnheard(writer string) Op { return Op{Path: unheardMark + writer, Seen: &v} }
