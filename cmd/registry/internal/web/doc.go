// Package web is the page of a registry: who is in the swarm, what images there are, what is on its
// way, what is wrong, and what the disk holds, for a browser.
//
//	page := web.New(web.Source{Storage: storage, Doctor: examine})
//	mux.Handle("/ipfs/", http.StripPrefix("/ipfs", page))
//	page.End()   // when the registry is told to stop: nobody is kept waiting
//	page.Close() // before the storage is closed
//
// The page is HTML, CSS and ES modules as they lie in assets, embedded; a browser gets nothing from
// anywhere else. It only reads. What is live comes by server-sent events (events.go), all else by
// questions that are answered with JSON (answers.go). What costs the members or this registry
// something is asked once for all who look (shared.go).
//
// Limits: it admits whoever reaches it; who may is up to the caller, or to the function of Behind.
package web
