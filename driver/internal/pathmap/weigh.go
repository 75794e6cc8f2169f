package pathmap

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// What a member sends in protobuf is counted before it is decoded: a field may be sent in two
// bytes, and takes a hundred and more once it is decoded.

// maxOther is how many fields a message may have that this release does not know.
const maxOther = 16

// leastChange is how many bytes of a delta one change takes at least, in the long run: it names a
// path, and the registry that wrote it.
const leastChange = 16

// maxChanges is how many changes a delta of that many bytes may make.
func maxChanges(raw []byte) int { return len(raw)/leastChange + maxOther }

// weigh refuses a block that has more parents than a delta may have.
func weigh(raw []byte) error {
	if n := countFields(raw, maxHeads+maxOther); n > maxHeads+maxOther {
		return fmt.Errorf("it is malformed, or has more than %d parents", maxHeads)
	}
	return nil
}

// countFields counts the fields of a message, up to one more than most: that many when the
// message cannot be read.
func countFields(b []byte, most int) (n int) {
	for len(b) > 0 && n <= most {
		_, _, size := protowire.ConsumeField(b)
		if size < 0 {
			return most + 1
		}
		b = b[size:]
		n++
	}
	return n
}
