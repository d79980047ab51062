// Loki's HTTP API, as much of it as the page asks.

import { compareTs, type Entry, type Labels, nextSeq } from './entry.ts'

/** What the server said was wrong, in its own words. */
export class ServerError extends Error {
  readonly status: number
  /** Where in the query, both from 1. */
  readonly position: { readonly line: number; readonly col: number } | undefined

  constructor(message: string, status: number) {
    super(message)
    this.status = status
    const at = /\bline (\d+), col (\d+)/.exec(message)
    this.position = at ? { line: Number(at[1]), col: Number(at[2]) } : undefined
  }
}

export interface Series {
  readonly metric: Labels
  /** Unix seconds and value. */
  readonly points: readonly (readonly [number, number])[]
}

export type RangeAnswer =
  | { readonly kind: 'streams'; readonly entries: Entry[] }
  | { readonly kind: 'series'; readonly series: Series[] }

export type Direction = 'forward' | 'backward'

export interface RangeParams {
  readonly query: string
  /** Unix nanoseconds; start is included, end is not. */
  readonly start: string
  readonly end: string
  readonly limit?: number
  readonly direction?: Direction
  /** Seconds. */
  readonly step?: number
}

interface WireStream {
  stream: Record<string, string>
  values: [string, string, { structuredMetadata?: Record<string, string>; parsed?: Record<string, string> }?][]
}

interface WireSeries {
  metric: Record<string, string>
  values?: [number, string][]
  value?: [number, string]
}

interface WireAnswer {
  data: { resultType: string; result: unknown }
}

export interface WireTail {
  streams?: WireStream[] | null
  dropped_entries?: unknown[] | null
  encodingFlags?: string[]
}

/** Addresses longer than this go as a form: proxies cut long ones off. */
const LONGEST_ADDRESS = 2000

export class Client {
  readonly tenant: string
  readonly token: string

  constructor(tenant: string, token = '') {
    this.tenant = tenant
    this.token = token
  }

  private async ask(path: string, params: Record<string, string | undefined>, signal?: AbortSignal): Promise<string> {
    const form = new URLSearchParams()
    for (const [k, v] of Object.entries(params)) if (v !== undefined) form.set(k, v)
    const headers: Record<string, string> = { 'X-Loki-Response-Encoding-Flags': 'categorize-labels' }
    if (this.tenant) headers['X-Scope-OrgID'] = this.tenant
    if (this.token) headers.Authorization = `Bearer ${this.token}`
    const query = form.toString()
    const init: RequestInit = { headers, ...(signal ? { signal } : {}) }
    let url = query ? `${path}?${query}` : path
    if (query.length > LONGEST_ADDRESS) {
      url = path
      init.method = 'POST'
      init.body = form
    }
    let response: Response
    try {
      response = await fetch(url, init)
    } catch (cause) {
      if (signal?.aborted) throw cause
      throw new ServerError('The server does not answer. Is it running, and does this computer reach it?', 0)
    }
    const text = await response.text()
    if (!response.ok) throw new ServerError(messageOf(text) || `The server answered ${response.status} ${response.statusText}.`, response.status)
    return text
  }

  private async json(path: string, params: Record<string, string | undefined>, signal?: AbortSignal): Promise<unknown> {
    const text = await this.ask(path, params, signal)
    try {
      return JSON.parse(text)
    } catch {
      throw new ServerError(`The server's answer to ${path} is not JSON: is this address a Remora server's?`, 200)
    }
  }

  /** Log lines come oldest first, whatever the direction they were asked in. */
  async queryRange(p: RangeParams, signal?: AbortSignal): Promise<RangeAnswer> {
    const answer = await this.json('/loki/api/v1/query_range', {
      query: p.query, start: p.start, end: p.end, limit: p.limit?.toString(), direction: p.direction, step: p.step?.toString(),
    }, signal) as WireAnswer
    if (answer.data.resultType === 'streams') {
      return { kind: 'streams', entries: entriesOf(answer.data.result as WireStream[], p.direction ?? 'backward') }
    }
    return { kind: 'series', series: seriesOf(answer.data.result) }
  }

  async lines(p: RangeParams, signal?: AbortSignal): Promise<Entry[]> {
    const answer = await this.queryRange(p, signal)
    return answer.kind === 'streams' ? answer.entries : []
  }

  async instant(query: string, time: string, signal?: AbortSignal): Promise<Series[]> {
    const answer = await this.json('/loki/api/v1/query', { query, time }, signal) as WireAnswer
    return seriesOf(answer.data.result)
  }

  async labels(start: string, end: string, signal?: AbortSignal): Promise<string[]> {
    const answer = await this.json('/loki/api/v1/labels', { start, end }, signal) as { data?: string[] }
    return answer.data ?? []
  }

  async labelValues(name: string, query: string | undefined, start: string, end: string, signal?: AbortSignal): Promise<string[]> {
    const path = `/loki/api/v1/label/${encodeURIComponent(name)}/values`
    const answer = await this.json(path, { query, start, end }, signal) as { data?: string[] }
    return answer.data ?? []
  }

  async version(signal?: AbortSignal): Promise<string> {
    const answer = await this.json('/loki/api/v1/status/buildinfo', {}, signal) as { version?: string }
    return answer.version ?? ''
  }
}

/** The server says what is wrong as text; what stands before it may say it as JSON. */
function messageOf(text: string): string {
  try {
    const parsed = JSON.parse(text) as { message?: unknown; error?: unknown }
    for (const m of [parsed.message, parsed.error]) if (typeof m === 'string') return m
  } catch { /* text it is */ }
  return text.trim().slice(0, 2000)
}

/** Merges streams by time; lines of equal time keep the server's order. */
export function entriesOf(streams: readonly WireStream[], direction: Direction): Entry[] {
  const entries: Entry[] = []
  const none: Labels = {}
  for (const s of streams) {
    const values = direction === 'backward' ? [...s.values].reverse() : s.values
    for (const [ts, line, extra] of values) {
      entries.push({ seq: nextSeq(), ts, line, labels: s.stream, meta: extra?.structuredMetadata ?? none, parsed: extra?.parsed ?? none })
    }
  }
  return entries.sort((a, b) => compareTs(a.ts, b.ts))
}

function seriesOf(result: unknown): Series[] {
  if (!Array.isArray(result)) return []
  if (typeof result[0] === 'number') return [{ metric: {}, points: [[result[0], Number(result[1])]] }]
  return (result as WireSeries[]).map((s) => ({
    metric: s.metric,
    points: (s.values ?? (s.value ? [s.value] : [])).map(([t, v]) => [t, Number(v)] as const),
  }))
}
