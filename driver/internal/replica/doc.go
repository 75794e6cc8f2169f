// Package replica keeps copies of blobs: a registry that is among the keepers of a blob (package
// place) fetches it in the background, without being asked.
//
//	k := replica.New(replica.Config{Self: id, Copies: 2, Delay: time.Hour, Members: members, Ready: caughtUp, Log: log})
//	k.Start(paths, blobs, transfers)
//	defer k.Stop()  // before the transfers are closed
//	k.Added(paths)  // entries have come from other registries; also before Start
//	k.Appeared()    // a member has been connected; likewise
//	copies, err := k.Ask(ctx, member, cids) // what the member has of them, and whether it keeps it
//
// Blobs are fetched when their entries arrive. When the members among which blobs are placed
// have changed, and at the start, the map is looked through for what is to be kept here now:
// that is repair. Each registry does so alone, asks the members for their copies, and fetches
// those blobs first of which there are the fewest, at no more than Config.Rate.
//
// A copy is given up only when others keep the blob: they are asked just before, and whoever
// gives a copy up is not counted by others meanwhile.
//
//	err := k.GiveUp(ctx, c, remove) // calls remove if enough others keep c
//
// Limits: what a registry keeps no longer stays on its disk until somebody gives it up. Repair
// looks through the map once for each number of copies that there is, up to four, and once more;
// a map of a million blobs takes some minutes each time, at a fifth of a processor. Memory does
// not grow with the map.
package replica
