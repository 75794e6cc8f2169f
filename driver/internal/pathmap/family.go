package pathmap

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

// A family is settings whose names begin alike: one for each registry, say. The names are
// "<family>/<name>". Unlike a setting, one of a family is written anew: the greatest version is its value
// on all registries.

// maxText bounds the value of a setting of a family in bytes.
const maxText = 8 << 10

// Text is one setting of a family.
type Text struct {
	Name    string // behind that of the family
	Value   string
	Version string // another one each time that it is written
	Writer  string // peer ID of who wrote it
}

// Family gives the settings of a family that this release can read, by name.
func (v View) Family(family string) iter.Seq[Text] {
	return func(yield func(Text) bool) {
		mark := settingMark + family + "/"
		v.s.settings.Ascend(sortKey(mark), func(key string, p packed) bool {
			name, ok := strings.CutPrefix(pathOf(key), mark)
			if !ok {
				return false
			}
			best := v.s.winner(key, p)
			value, ok := best.text()
			return !ok || yield(Text{name, value, fmt.Sprintf("%x-%s", best.counter, best.writer), peerOf(best.writer)})
		})
	}
}

// SetText is the op that gives a setting of a family a value, in place of those that it has.
func SetText(family, name, value string) (Op, error) {
	if len(value) > maxText {
		return Op{}, fmt.Errorf("write %s/%s: %d bytes, at most %d", family, name, len(value), maxText)
	}
	return textOp(settingMark+family+"/"+name, value)
}

// textOp writes a text as a setting.
func textOp(path, text string) (Op, error) {
	mh, err := multihash.Sum([]byte(text), multihash.IDENTITY, -1)
	if err != nil {
		return Op{}, fmt.Errorf("write %s: %w", path, err)
	}
	return Op{Path: path, Entry: &Entry{CID: cid.NewCidV1(cid.Raw, mh), Size: int64(len(text)), ModTime: time.Now()}}, nil
}
