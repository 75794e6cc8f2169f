// Package ack waits until what is pushed is on as many disks as are wanted, before the client is
// told that it was taken.
//
//	a := ack.New(ack.Config{Copies: 2, Timeout: 30 * time.Second, Self: id, Members: members, Ask: transfers.Keep, …})
//	defer a.Close()
//	early := a.Early(file, size)            // an upload grows: others take its bytes as they come
//	defer early.Stop()
//	b := ack.Blob{Ref: ref, Early: early}
//	held := a.Ahead(ctx, b)                 // it has a name: others make it theirs, or fetch it
//	defer held()
//	heads, err := paths.Commit(ctx, …)      // the entry is on this disk
//	err = a.Push().Await(ctx, blobs, heads) // and now on the others
//
// A disk counts when its registry has said that the bytes are whole and synced, and the deltas that
// name them are merged and synced. Asked are the keepers of the blob that are here, in their order
// (package place), and then the others; never one that is not trusted, or is to be switched off.
// One more is asked when a member fails, says nothing, or is slow.
//
// Limits: what is believed is what members say. Nothing is remembered: each blob is asked for each
// time. A registry that is asked for nothing (Copies up to 1) costs nothing.
package ack
