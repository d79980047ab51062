// What the reader looks at, and how the address bar says it.

import { DEFAULT_QUERY } from '../../logql/edit.ts'
import type { Range } from '../../time/range.ts'

export interface View {
  readonly query: string
  readonly range: Range
  readonly live: boolean
  /** Oldest first reads like a terminal, tracebacks from top to bottom. */
  readonly newestFirst: boolean
  readonly wrap: boolean
  /** Identity of the line that is open, or a time stamp to begin at. */
  readonly at: string | undefined
  readonly tenant: string
}

export const LAST_HOUR: Range = { from: 'now-1h', to: 'now' }

export function decodeView(p: URLSearchParams): View {
  return {
    query: p.get('q') ?? DEFAULT_QUERY,
    range: { from: p.get('from') ?? LAST_HOUR.from, to: p.get('to') ?? LAST_HOUR.to },
    live: p.get('live') === '1',
    newestFirst: p.get('order') === 'newest',
    wrap: p.get('wrap') === '1',
    at: p.get('line') ?? undefined,
    tenant: p.get('tenant') ?? '',
  }
}

export function encodeView(v: View): string {
  const p = new URLSearchParams({ q: v.query, from: v.range.from, to: v.range.to })
  if (v.live) p.set('live', '1')
  if (v.newestFirst) p.set('order', 'newest')
  if (v.wrap) p.set('wrap', '1')
  if (v.at) p.set('line', v.at)
  if (v.tenant) p.set('tenant', v.tenant)
  return `/?${p.toString()}`
}
