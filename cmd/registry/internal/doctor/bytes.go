package doctor

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// maxNamed is how many of many things a line names.
const maxNamed = 5

var (
	singleCopy = Kind{
		"single-copy", Warning,
		"These blobs are lost with the disk of that registry.",
		"Set `replicas: 2` on all registries and wait for their fetches; with `replicas: 0`, pull the images from another registry.",
	}
	underReplicated = Kind{
		"under-replicated", Warning,
		"They have fewer copies than `replicas` says: one more disk lost may lose them.",
		"They are fetched by themselves while members are here and have room: bring back who is away, look at `free`, and wait.",
	}
	copiesFull = Kind{
		"copies-full", Warning,
		"Blobs that it is to keep have a copy less.",
		"Add disk there, or give that registry a smaller `capacity`.",
	}
	copiesFailed = Kind{
		"copies-failed", Warning,
		"Blobs that it is to keep have a copy less. They are tried again.",
		"Bring back the registries that have them: `registry ipfs where` names these.",
	}
	copiesHeld = Kind{
		"copies-held", Warning,
		"Blobs get no new keepers, however few copies they have.",
		"Bring the members back, or forget those that are gone for good; upgrade a registry of an earlier release.",
	}
	cacheStuck = Kind{
		"cache-stuck", Warning,
		"No room can be made for what comes: pushes will be refused.",
		"[When the disk fills](operations.md#when-the-disk-fills) has what to do, in order.",
	}
	blobDamaged = Kind{
		"blob-damaged", Broken,
		"Its file here is damaged or lost, and no member had the right bytes: pulls of it fail.",
		"Push the image again, from anywhere, or bring back a registry that has it.",
	}
	blobUnread = Kind{
		"blob-unreadable", Broken,
		"The disk fails when they are read.",
		"Look at the machine's log for errors of the disk, and replace it.",
	}
	diskLosesBits = Kind{
		"disk-loses-bits", Warning,
		"What was found is mended or named; the disk will lose more.",
		"Look at the disk (`smartctl -a`), and replace it.",
	}
	metadataDamaged = Kind{
		"metadata-damaged", Broken,
		"This registry may not start again.",
		"Without stopping it, drain it (`registry ipfs drain --wait`), then replace it or restore a backup ([Damaged files](operations.md#damaged-files)).",
	}
	strayFiles = Kind{
		"stray-files", Warning,
		"They take room and are never read.",
		"The log names one: move them out of `blobs/`.",
	}
)

func bytesChecks() []Check {
	return []Check{
		{"copies", "no blob has too few copies", Running, []Kind{singleCopy, underReplicated, copiesFull, copiesFailed, copiesHeld}, checkCopies},
		{
			"cache", "room can be made", Running, []Kind{cacheStuck},
			func(f Facts) (all []Finding) {
				if why := f.Status.Cache.Stuck; why != "" {
					all = append(all, cacheStuck.found("", "%s", why))
				}
				return all
			},
		},
		{"blobs", "all blobs can be read", Running, []Kind{blobDamaged, blobUnread, diskLosesBits, metadataDamaged, strayFiles}, checkBlobs},
	}
}

func checkCopies(f Facts) (all []Finding) {
	c := f.Status.Copies
	if c.Full {
		all = append(all, copiesFull.found("", "no room for %s that this registry is to keep%s", counted(c.Failed, "blob"), lacking(c.Lacking)))
	} else if c.Failed > 0 {
		all = append(all, copiesFailed.found("", "%s could not be fetched that this registry is to keep", counted(c.Failed, "blob")))
	}
	if c.Hold != "" {
		all = append(all, copiesHeld.found("", "%s", c.Hold))
	}
	for _, m := range f.connected() {
		if m.NoRoom != nil {
			all = append(all, copiesFull.found(called(m), "no room for %s that it is to keep%s", counted(m.NoRoom.Blobs, "blob"), lacking(m.NoRoom.Bytes)))
		}
	}
	if f.Status.Network == "offline" || len(f.Status.Members) == 0 {
		return all // nobody else can have them
	}
	if c.Surveyed == nil {
		return append(all, unknown("", "the members have not been asked yet for their copies; ask again in a minute"))
	}
	if n := c.OnlyHere; n.Blobs > 0 {
		all = append(all, singleCopy.found("", "on no other registry that answers: %s%s", sum(n), f.neededBy(f.Status.PeerID)))
	}
	if f.Swarm == nil {
		all = append(all, unknown("", "%s", f.lacks(Said)))
	}
	for _, m := range f.others() {
		n := m.OnlyHere
		if n == nil && m.Connected {
			all = append(all, unknown(nameOf(m.Name, m.PeerID), "%s", cmp.Or(m.Trouble, "it has not asked its members for their copies yet")))
		}
		if n != nil && n.Blobs > 0 {
			all = append(all, singleCopy.found(nameOf(m.Name, m.PeerID), "on no other registry that answers: %s%s", sum(driver.BlobSum(*n)), f.neededBy(m.PeerID)))
		}
	}
	if n := c.UnderReplicated; n.Blobs > 0 && c.Replicas != "0" {
		all = append(all, underReplicated.found("", "with too few keepers: %s", sum(n)))
	}
	return all
}

// lacking says how many bytes have to become free, if these are short.
func lacking(n int64) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(": %s more have to be free on its disk", humanize.IBytes(uint64(n)))
}

// neededBy names images that need blobs which only one registry has.
func (f Facts) neededBy(id string) string {
	if f.Swarm == nil {
		return ""
	}
	for _, m := range f.Swarm.Members {
		if m.PeerID == id && len(m.Images) > 0 {
			return ", of " + strings.Join(m.Images[:min(len(m.Images), maxNamed)], ", ")
		}
	}
	return ""
}

func checkBlobs(f Facts) (all []Finding) {
	b, s := f.Status.Blobs, f.Status.Scrub
	for _, d := range b.Damage[:min(len(b.Damage), maxNamed)] {
		all = append(all, blobDamaged.found(cmp.Or(d.Digest, d.CID), "%s, needed by %s",
			humanize.IBytes(uint64(max(0, d.Size))), cmp.Or(strings.Join(d.Images, ", "), "no image")))
	}
	if n := len(b.Damaged) - maxNamed; n > 0 {
		all = append(all, blobDamaged.found("", "%d more; `registry ipfs status` has their number", n))
	}
	if s.Unread > 0 {
		all = append(all, blobUnread.found("", "%s could not be read since the start", counted(s.Unread, "blob")))
	}
	if s.Damaged+s.Lost > 0 {
		all = append(all, diskLosesBits.found("", "blobs that were found damaged since the start: %d; lost: %d", s.Damaged, s.Lost))
	}
	if len(s.Tables) > 0 {
		all = append(all, metadataDamaged.found("", "%s", strings.Join(s.Tables, ", ")))
	}
	if s.Strays > 0 {
		all = append(all, strayFiles.found("", "files in blobs/ that are no blobs: %d", s.Strays))
	}
	return all
}

func sum(n driver.BlobSum) string {
	return fmt.Sprintf("%s (%s)", counted(n.Blobs, "blob"), humanize.IBytes(uint64(max(0, n.Bytes))))
}
