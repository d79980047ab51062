// A window of lines in order of time that grows at both ends, page by page.
//
// Pages are asked for by time. A full page may cut through lines of one time
// stamp, so the lines of its last time stamp are left to the next page, which
// begins with all of them: no line is lost and none comes twice.

import { addNanos, compareTs, type Entry, identityOf, tsOfIdentity } from '../loki/entry.ts'
import type { Direction } from '../loki/client.ts'

export type Fetch = (start: string, end: string, limit: number, direction: Direction) => Promise<Entry[]>

/** The most lines a server gives in one answer. */
export const FULL_PAGE = 5000
const FIRST_PAGE = 1000
/** Beyond this the far end is let go; scrolling back asks for it again. */
export const MOST_ROWS = 250_000

export class Pager {
  /** Oldest first. */
  rows: Entry[] = []
  /** More than a full page of lines share one of these times, so some are out of reach. */
  readonly crowded: string[] = []

  private readonly fetch: Fetch
  private readonly start: string
  private readonly end: string
  /** Exclusive end of the next older page, inclusive start of the next newer one; undefined when all is there. */
  private olderEnd: string | undefined
  private newerStart: string | undefined
  private pages = 0

  constructor(fetch: Fetch, start: string, end: string) {
    this.fetch = fetch
    this.start = start
    this.end = end
    this.olderEnd = end
  }

  get hasOlder(): boolean { return this.olderEnd !== undefined }
  get hasNewer(): boolean { return this.newerStart !== undefined }

  /** An empty window on the same range. */
  sibling(): Pager {
    return new Pager(this.fetch, this.start, this.end)
  }

  /** Begins at the newest lines. */
  async openAtEnd(): Promise<void> {
    this.reset(this.end, undefined)
    await this.loadOlder()
  }

  /** Begins at the oldest lines. */
  async openAtStart(): Promise<void> {
    this.reset(undefined, this.start)
    await this.loadNewer()
  }

  /** Begins around a line, or a time. Returns the line when it is there. */
  async openAround(identity: string): Promise<Entry | undefined> {
    const ts = tsOfIdentity(identity)
    if (ts === undefined || compareTs(ts, this.start) < 0 || compareTs(ts, this.end) >= 0) {
      await this.openAtEnd()
      return undefined
    }
    this.reset(ts, ts)
    await Promise.all([this.loadOlder(), this.loadNewer()])
    return this.find(identity)
  }

  find(identity: string): Entry | undefined {
    const ts = tsOfIdentity(identity)
    if (ts === undefined) return undefined
    const from = firstAt(this.rows, ts)
    for (let i = from; i < this.rows.length; i++) {
      const row = this.rows[i]
      if (!row || row.ts !== ts) break
      if (identity === ts || identityOf(row) === identity) return row
    }
    return undefined
  }

  private reset(olderEnd: string | undefined, newerStart: string | undefined): void {
    this.rows = []
    this.olderEnd = olderEnd
    this.newerStart = newerStart
    this.pages = 0
  }

  async loadOlder(): Promise<void> {
    if (this.olderEnd === undefined) return
    const asked = this.olderEnd
    const page = await this.page(this.start, asked, 'backward')
    if (this.olderEnd !== asked) return
    const first = page.entries[0]
    if (!page.full || !first) {
      this.olderEnd = undefined
      this.rows = page.entries.concat(this.rows)
    } else if (page.entries.at(-1)?.ts === first.ts) {
      this.crowded.push(first.ts)
      this.olderEnd = first.ts
      this.rows = page.entries.concat(this.rows)
    } else {
      this.olderEnd = addNanos(first.ts, 1)
      this.rows = page.entries.slice(firstAt(page.entries, this.olderEnd)).concat(this.rows)
    }
    this.trimNewer()
  }

  async loadNewer(): Promise<void> {
    if (this.newerStart === undefined) return
    const asked = this.newerStart
    const page = await this.page(asked, this.end, 'forward')
    if (this.newerStart !== asked) return
    const last = page.entries.at(-1)
    if (!page.full || !last) {
      this.newerStart = undefined
      this.rows = this.rows.concat(page.entries)
    } else if (page.entries[0]?.ts === last.ts) {
      this.crowded.push(last.ts)
      this.newerStart = addNanos(last.ts, 1)
      this.rows = this.rows.concat(page.entries)
    } else {
      this.newerStart = last.ts
      this.rows = this.rows.concat(page.entries.slice(0, firstAt(page.entries, last.ts)))
    }
    this.trimOlder()
  }

  /** Adds live lines, which may be a little out of order. Old ones are let go. */
  append(entries: readonly Entry[], most: number): void {
    const rows = this.rows
    const last = rows.at(-1)
    const inOrder = entries.every((e, i) => compareTs(e.ts, (entries[i - 1] ?? last ?? e).ts) >= 0)
    this.rows = inOrder ? rows.concat(entries) : mergeLate(rows, entries)
    this.trimOlder(most)
  }

  private async page(start: string, end: string, direction: Direction): Promise<{ entries: Entry[]; full: boolean }> {
    const limit = this.pages++ === 0 ? FIRST_PAGE : FULL_PAGE
    const entries = await this.fetch(start, end, limit, direction)
    if (entries.length < limit) return { entries, full: false }
    if (limit < FULL_PAGE && entries[0]?.ts === entries.at(-1)?.ts) return this.page(start, end, direction)
    return { entries, full: true }
  }

  private trimNewer(): void {
    if (this.rows.length <= MOST_ROWS) return
    const cut = this.rows[MOST_ROWS]
    if (!cut) return
    this.newerStart = cut.ts
    this.rows = this.rows.slice(0, firstAt(this.rows, cut.ts))
  }

  private trimOlder(most = MOST_ROWS): void {
    if (this.rows.length <= most) return
    const cut = this.rows[this.rows.length - most - 1]
    if (!cut) return
    this.olderEnd = addNanos(cut.ts, 1)
    this.rows = this.rows.slice(firstAt(this.rows, this.olderEnd))
  }
}

/** Index of the first row at or after a time. */
export function firstAt(rows: readonly Entry[], ts: string): number {
  let lo = 0
  let hi = rows.length
  while (lo < hi) {
    const mid = (lo + hi) >>> 1
    if (compareTs(rows[mid]?.ts ?? '', ts) < 0) lo = mid + 1
    else hi = mid
  }
  return lo
}

function mergeLate(rows: readonly Entry[], entries: readonly Entry[]): Entry[] {
  const late = [...entries].sort((a, b) => compareTs(a.ts, b.ts))
  const oldest = late[0]
  if (!oldest) return [...rows]
  const at = firstAt(rows, oldest.ts)
  const tail = rows.slice(at).concat(late).sort((a, b) => compareTs(a.ts, b.ts))
  return rows.slice(0, at).concat(tail)
}
