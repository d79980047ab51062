// Live lines. A WebSocket where the browser lets us use one; a tenant or a
// token goes into headers, which browsers cannot set there, so with either the
// page asks again each second instead.

import { type Client, entriesOf, ServerError, type WireTail } from './client.ts'
import { addNanos, compareTs, type Entry, identityOf, nanosOf } from './entry.ts'
import { METADATA, STREAM_LABELS } from './names.ts'

export type LiveState = 'off' | 'connecting' | 'on' | 'waiting'

export interface TailEvents {
  /** New lines, oldest first, none of them told before. */
  lines(entries: Entry[]): void
  state(s: LiveState): void
  /** The server could not keep up and left lines out. */
  dropped(n: number): void
  /** The query cannot be followed; following has ended. */
  refused(e: ServerError): void
}

const PAGE = 5000
const POLL = 1000
const LONGEST_WAIT = 15_000
/** Lines come from many nodes and not quite in order: this much is asked again when polling. */
const OVERLAP_NANOS = 5_000_000_000

export class Tail {
  private readonly client: Client
  private readonly query: string
  private readonly events: TailEvents
  private readonly seen = new Seen()
  private readonly kinds: Kinds
  private readonly stopped = new AbortController()
  private socket: WebSocket | undefined
  private timer: ReturnType<typeof setTimeout> | undefined
  private from: string
  private failures = 0

  /** `known` are the lines already shown, at and before `from`; `parses` tells that the query takes labels out of lines. */
  constructor(client: Client, query: string, from: string, known: readonly Entry[], parses: boolean, events: TailEvents) {
    this.client = client
    this.query = query
    this.from = from
    this.events = events
    this.kinds = new Kinds(known, parses)
    for (const e of known) this.seen.add(e)
    this.connect()
  }

  stop(): void {
    this.stopped.abort()
    clearTimeout(this.timer)
    if (this.socket) {
      this.socket.onclose = null
      this.socket.onmessage = null
      this.socket.close()
    }
    this.events.state('off')
  }

  private connect(): void {
    this.events.state(this.failures === 0 ? 'connecting' : 'waiting')
    if (this.client.tenant || this.client.token) void this.poll()
    else this.open()
  }

  private open(): void {
    const url = new URL('/loki/api/v1/tail', location.href)
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    url.searchParams.set('query', this.query)
    url.searchParams.set('start', this.from)
    url.searchParams.set('limit', String(PAGE))
    const socket = new WebSocket(url)
    this.socket = socket
    socket.onopen = () => {
      this.failures = 0
      this.events.state('on')
    }
    socket.onmessage = (m: MessageEvent<string>) => {
      const frame = JSON.parse(m.data) as WireTail
      const entries = entriesOf(frame.streams ?? [], 'forward')
      this.tell(frame.encodingFlags?.includes('categorize-labels') ? entries : entries.map((e) => this.kinds.sort(e)))
      if (frame.dropped_entries?.length) this.events.dropped(frame.dropped_entries.length)
    }
    socket.onclose = () => void this.explainOrRetry()
  }

  /** A refused handshake tells the page nothing; the same query over HTTP tells why. */
  private async explainOrRetry(): Promise<void> {
    if (this.failures === 0) {
      try {
        await this.client.lines({ query: this.query, start: this.from, end: addNanos(this.from, 1), limit: 1 }, this.stopped.signal)
      } catch (e) {
        if (this.stopped.signal.aborted) return
        if (e instanceof ServerError && e.status >= 400 && e.status < 500 && e.status !== 429) {
          this.events.refused(e)
          return
        }
      }
    }
    this.retry()
  }

  private retry(): void {
    if (this.stopped.signal.aborted) return
    this.events.state('waiting')
    const wait = Math.min(LONGEST_WAIT, 500 * 2 ** this.failures++)
    this.timer = setTimeout(() => this.connect(), wait * (0.75 + Math.random() / 2))
  }

  private async poll(): Promise<void> {
    try {
      const end = nanosOf(Date.now() + 60_000)
      const overlapped = addNanos(this.from, -OVERLAP_NANOS)
      const entries = await this.client.lines(
        { query: this.query, start: overlapped, end, limit: PAGE, direction: 'forward' }, this.stopped.signal)
      this.failures = 0
      this.events.state('on')
      this.tell(entries)
      this.timer = setTimeout(() => void this.poll(), entries.length === PAGE ? 0 : POLL)
    } catch (e) {
      if (this.stopped.signal.aborted) return
      if (e instanceof ServerError && e.status >= 400 && e.status < 500 && e.status !== 429) this.events.refused(e)
      else this.retry()
    }
  }

  private tell(entries: Entry[]): void {
    const fresh = entries.filter((e) => this.seen.add(e))
    const last = entries.at(-1)
    if (last && compareTs(last.ts, this.from) > 0) this.from = last.ts
    if (fresh.length > 0) this.events.lines(fresh)
  }
}

/** The lines told lately, so that what is asked twice is told once. */
class Seen {
  private recent = new Set<string>()
  private older = new Set<string>()

  /** False when it was there. Lines wholly alike in one answer count as one. */
  add(e: Entry): boolean {
    const id = identityOf(e)
    if (this.recent.has(id) || this.older.has(id)) return false
    this.recent.add(id)
    if (this.recent.size > 4 * PAGE) {
      this.older = this.recent
      this.recent = new Set()
    }
    return true
  }
}

/**
 * Sorts the labels of a line into its three kinds. A query asks the server to
 * do that by a header; a WebSocket cannot, and gets all of them in one.
 */
export class Kinds {
  private readonly stream = new Set(STREAM_LABELS)
  private readonly meta = new Set(METADATA)
  private readonly parses: boolean

  constructor(known: readonly Entry[], parses: boolean) {
    this.parses = parses
    for (const e of known) {
      for (const k of Object.keys(e.labels)) this.stream.add(k)
      for (const k of Object.keys(e.meta)) this.meta.add(k)
    }
  }

  sort(e: Entry): Entry {
    const labels: Record<string, string> = {}
    const meta: Record<string, string> = {}
    const parsed: Record<string, string> = {}
    for (const [k, v] of Object.entries(e.labels)) {
      const kind = this.stream.has(k) ? labels : this.meta.has(k) || !this.parses ? meta : parsed
      kind[k] = v
    }
    return { ...e, labels, meta, parsed }
  }
}
