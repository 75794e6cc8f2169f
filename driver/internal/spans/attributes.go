package spans

import "go.opentelemetry.io/otel/attribute"

// What spans say of their work.
const (
	CID       attribute.Key = "registry.ipfs.cid"                // of the blob, or the inner block
	Size      attribute.Key = "registry.ipfs.size"               // of the blob, in bytes
	Peer      attribute.Key = "registry.ipfs.peer"               // ID of the member at the other end
	Road      attribute.Key = "registry.ipfs.road"               // by which it was reached
	Bytes     attribute.Key = "registry.ipfs.bytes"              // that came, or were sent
	FirstByte attribute.Key = "registry.ipfs.first_byte_seconds" // from the beginning of the span until the first byte came
	From      attribute.Key = "registry.ipfs.from_leaf"          // the first that was asked for; leaves have 1 MiB
	Fetches   attribute.Key = "registry.ipfs.fetches"            // requests for leaves, also those that have no span of their own
	Outcome   attribute.Key = "registry.ipfs.outcome"            // how it ended, where not as it was meant to
	Disks     attribute.Key = "registry.ipfs.disks"              // that are to hold a push before it is acknowledged
	Blobs     attribute.Key = "registry.ipfs.blobs"              // of the push
)
