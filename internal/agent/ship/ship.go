// Package ship brings batches to where they are kept and says what became of
// each file's part.
//
// Invariant: a batch that was not answered is sent again, the same bytes, until
// it is; nothing is dropped while the server is away. What a server refuses for
// good is written to a dead letter and counted.
//
// # Lines that come too far behind
//
// A Loki refuses a line that is more than an hour (half of its max_chunk_age) older
// than the newest one of its stream, and the newest one may be another node's. Such a
// line goes into a stream of its own: the same labels and backfill="2026-11-21T05",
// the hour of its time. Lines of one hour are never too far from each other, so a
// Loki takes them from all files and nodes, in any order and again. Query both with
// {app="a"}; the streams alone with {app="a", backfill!=""}.
//
// Which stream a line goes into is decided by what is newest in its stream: in the
// batch, in what this process had acknowledged (of the last few thousand streams), and
// as told by the Loki when it refuses the line. So nothing of it needs to be on disk.
// After a restart the Loki's answer stands in for what was known: it refuses what it
// refused before, and the name of the other stream follows from the line alone, so a
// replay makes the same entries, which a Loki stores once. The limits:
//
//   - A line that was in the last batch before a crash, and was taken, is refused when
//     it comes again more than an hour of its stream's time later. It is stored a second
//     time then, in the stream of its hour, rather than be lost where it was not taken.
//   - What is older than a Loki takes at all (a week) becomes a dead letter.
//   - Where a Loki splits a busy stream itself (shard_streams) it may lose lines that
//     come too far behind, or too fast, without a word.
//
// # Pushes to a Loki
//
// A push to a Loki holds one stream. Of a push of several it tells what became of the
// last one, and answers 204 when another one was not taken: lines that came too far
// behind or over the stream's rate limit would be lost, and nobody would know. Seen of
// Loki 3.7.
package ship
