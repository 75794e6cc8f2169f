package wire

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/ipfs/go-cid"
)

// maxCID is how many bytes the text of a CID has at most. To read one in base 58 takes time by the
// square of its length.
const maxCID = 512

func readCID(text string) (cid.Cid, error) {
	if len(text) > maxCID {
		return cid.Undef, fmt.Errorf("a CID of %d bytes", len(text))
	}
	return cid.Decode(text)
}

// list is a list of at most MaxCopies. A longer one is refused before it is decoded: what takes
// three bytes of JSON may take twenty times as much then.
type list[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (l *list[T]) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t == nil {
		return err
	} else if t != json.Delim('[') {
		return fmt.Errorf("%v in place of a list", t)
	}
	*l = list[T]{}
	for dec.More() {
		var one T
		if len(*l) == MaxCopies {
			return fmt.Errorf("a list of more than %d", MaxCopies)
		}
		if err := dec.Decode(&one); err != nil {
			return err
		}
		*l = append(*l, one)
	}
	return nil
}
