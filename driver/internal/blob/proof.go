package blob

import (
	"io/fs"
	"sync"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
)

// maxProofs is how many blobs are remembered as verified; beyond that some are verified
// again when they are next read. Each takes some 200 bytes of memory.
const maxProofs = 1 << 18

// stamp reports whether a file is still the one that was verified. Bytes that rot on the
// disk do not change it, so it is not kept longer than the process runs.
type stamp struct {
	inode   uint64
	size    int64
	modTime int64 // nanoseconds
}

func stampOf(info fs.FileInfo) stamp {
	return stamp{inode: inode(info), size: info.Size(), modTime: info.ModTime().UnixNano()}
}

// proofs remembers which leaves of which files this process has verified.
type proofs struct {
	mu sync.Mutex
	of map[cid.Cid]*proof
}

// whole reports whether every leaf of the file of c with that stamp is right.
func (s *proofs) whole(c cid.Cid, at stamp) bool {
	s.mu.Lock()
	p := s.of[c]
	s.mu.Unlock()
	return p != nil && p.stamp == at && p.complete()
}

// note records that every leaf is right.
func (s *proofs) note(c cid.Cid, at stamp) { s.put(c, &proof{stamp: at}) }

// forget makes a blob be verified anew.
func (s *proofs) forget(c cid.Cid) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, c)
}

// take returns the proof of a file, an empty one when there is none.
func (s *proofs) take(c cid.Cid, at stamp, leaves int) *proof {
	s.mu.Lock()
	p := s.of[c]
	s.mu.Unlock()
	if p != nil && p.stamp == at {
		return p
	}
	return s.put(c, &proof{stamp: at, have: bitset.New(leaves), left: leaves, pending: map[int]chan struct{}{}})
}

func (s *proofs) put(c cid.Cid, p *proof) *proof {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[cid.Cid]*proof{}
	}
	if old := s.of[c]; old != nil && old.stamp == p.stamp && p.left > 0 {
		return old // another reader was faster
	}
	if len(s.of) >= maxProofs {
		for other := range s.of { // any one
			delete(s.of, other)
			break
		}
	}
	s.of[c] = p
	return p
}

// proof is what is known of one file. Its readers share it: each leaf is hashed once.
type proof struct {
	stamp stamp

	mu      sync.Mutex
	have    bitset.Set            // nil once left is 0
	left    int                   // leaves that are not verified yet
	pending map[int]chan struct{} // leaves that are being hashed; closed at the end
}

func (p *proof) complete() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left == 0
}

// claim gives leaf i to the caller when mine: the caller hashes it and calls settle.
// Otherwise the leaf is known to be right when done is nil, or is being hashed by another
// caller until done is closed.
func (p *proof) claim(i int) (done <-chan struct{}, mine bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 || p.have.Has(i) {
		return nil, false
	}
	if done := p.pending[i]; done != nil {
		return done, false
	}
	p.pending[i] = make(chan struct{})
	return nil, true
}

// settle records how hashing ended; a leaf that is not good can be claimed again.
func (p *proof) settle(i int, good bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.pending[i])
	delete(p.pending, i)
	if !good {
		return
	}
	p.have.Add(i)
	if p.left--; p.left == 0 {
		p.have = nil
	}
}
