// Package ship brings batches to where they are kept and says what became of
// each file's part.
//
// Invariant: a batch that was not answered is sent again, the same bytes, until
// it is; nothing is dropped while the server is away. What a server refuses for
// good is written to a dead letter and counted.
package ship
