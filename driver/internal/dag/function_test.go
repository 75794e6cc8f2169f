package dag

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseFunction(t *testing.T) {
	for f, name := range map[Function]string{SHA2: "sha2-256", BLAKE3: "blake3"} {
		got, ok := ParseFunction(name)
		require.True(t, ok)
		require.Equal(t, f, got)
		require.Equal(t, name, f.String())
	}
	for _, name := range []string{"", "sha256", "BLAKE3", "sha2-512"} {
		_, ok := ParseFunction(name)
		require.False(t, ok, name)
	}
}

// BenchmarkFunction hashes one leaf on one core.
func BenchmarkFunction(b *testing.B) {
	leaf := bytes.Repeat([]byte("leaf"), LeafSize/4)
	for _, f := range Functions() {
		b.Run(f.String(), func(b *testing.B) {
			b.SetBytes(LeafSize)
			for b.Loop() {
				f.Sum(leaf)
			}
		})
	}
}
