// Package survey finds out, in the background, how safe the blobs of this disk are: which of them
// are on no other registry that answers, and which have fewer copies than they are to have.
//
//	s := survey.New(survey.Config{Blobs: blobs.After, Keepers: …, Members: …, Ask: …})
//	s.Start()
//	defer s.Close()
//	if r, ok := s.Last(); ok { r.OnlyHere.Bytes, r.Copies(cid) … }
//
// A round walks over the blobs of the disk in batches. It asks the other keepers of each batch
// about their blobs, in questions of up to 1,000 CIDs, and all other members about what no keeper
// has. At most ten questions are asked a second, one at a time, and a round works for a fifth of
// the time. A million blobs here, of which two copies are kept among 200 members, take 50 batches
// of 199 questions: 10,000 questions, some 60 MB each way, 17 minutes. The worst case is that each
// member has to be asked about each blob, with replicas: all or when nobody has any of them:
// 200,000 questions, at 0.6 MB a second each way for six hours.
//
// Limits: what members that are away or do not answer have is not known, and not counted. The
// numbers are of the round that ended last. Memory is that of a batch, some 5 MB, and eight bytes for
// each blob of this disk.
package survey
