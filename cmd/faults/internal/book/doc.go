// Package book remembers what registries acknowledged, and says what they may answer.
//
//	b := book.New()
//	op := b.Push(book.Name{Repo: "team/app", Ref: "v1"}, digest, book.Seat{Registry: 0})
//	op.Sent()
//	op.Acknowledged() // or Unknown, or Refused
//	may := b.May(book.Name{Repo: "team/app", Ref: "v1"})
//
// A name is a tag, or a manifest by its digest. What replaces what is not told by a clock, but
// by what a registry knows: what it acknowledged, what it was seen to answer with, what all
// knew when they agreed (Agreed), and what these had replaced. A push replaces what its registry
// knew when it began, and a delete removes that. Pushes of which none knew the other are
// concurrent: either may win. A push that was not answered may or may not have happened, and
// may still happen until the process that it was sent to has ended.
//
// Limits: a registry that lost its disk, or got an old one, is another Seat, which knows
// nothing yet. Where a name was given the same digest twice, an answer with that digest tells
// nothing of what the registry knows.
//
// A Book may be used by several goroutines.
package book
