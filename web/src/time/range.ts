// Points and spans of time as people write them: `now-1h`, `02:13`,
// `2026-11-20 02:13:07`, RFC 3339, or a Unix time.

export type Zone = 'local' | 'utc'

/** Both ends as written; relative ones are resolved when a query runs. */
export interface Range {
  readonly from: string
  readonly to: string
}

/** Half-open, in Unix milliseconds. */
export interface Span {
  readonly start: number
  readonly end: number
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

const UNITS: Readonly<Record<string, number>> = {
  ms: 1, s: SECOND, m: MINUTE, h: HOUR, d: DAY, w: 7 * DAY,
}

/** What the picker offers, shortest first. */
export const QUICK_RANGES: readonly { readonly label: string; readonly back: string }[] = [
  { label: 'Last 5 minutes', back: '5m' },
  { label: 'Last 15 minutes', back: '15m' },
  { label: 'Last hour', back: '1h' },
  { label: 'Last 3 hours', back: '3h' },
  { label: 'Last 12 hours', back: '12h' },
  { label: 'Last 24 hours', back: '24h' },
  { label: 'Last 2 days', back: '2d' },
  { label: 'Last 7 days', back: '7d' },
  { label: 'Last 30 days', back: '30d' },
]

/** Reads `1h30m` and the like as milliseconds. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(ms|[smhdw]))+$/.test(text)) return undefined
  let total = 0
  for (const [, n, unit] of text.matchAll(/(\d+)(ms|[smhdw])/g)) total += Number(n) * (UNITS[unit ?? ''] ?? 0)
  return total
}

/** Writes milliseconds the short way: `1h30m`, `250ms`. */
export function formatDuration(ms: number): string {
  if (ms < SECOND) return `${Math.round(ms)}ms`
  const parts: string[] = []
  let rest = Math.round(ms / SECOND) * SECOND
  for (const [unit, size] of [['d', DAY], ['h', HOUR], ['m', MINUTE], ['s', SECOND]] as const) {
    const n = Math.floor(rest / size)
    if (n > 0) parts.push(`${n}${unit}`)
    rest -= n * size
  }
  return parts.slice(0, 2).join('')
}

export function isRelative(text: string): boolean {
  return text.trim().startsWith('now')
}

/** Reads one point in time; undefined when it is none. */
export function parseTime(input: string, now: number, zone: Zone): number | undefined {
  const text = input.trim()
  if (text === 'now') return now
  const relative = /^now\s*([-+])\s*(\S+)$/.exec(text)
  if (relative) {
    const d = parseDuration(relative[2] ?? '')
    return d === undefined ? undefined : relative[1] === '-' ? now - d : now + d
  }
  if (/^\d{9,19}$/.test(text)) return unixMillis(text)
  return parseDate(text, now, zone)
}

function unixMillis(digits: string): number {
  if (digits.length <= 10) return Number(digits) * SECOND
  if (digits.length <= 13) return Number(digits)
  return Number(digits) / 10 ** (digits.length - 13)
}

function parseDate(text: string, now: number, zone: Zone): number | undefined {
  const word = /^(today|yesterday)(?:\s+(.*))?$/i.exec(text)
  if (word) {
    const day = new Date(word[1]?.toLowerCase() === 'today' ? now : now - DAY)
    return parseDate(`${dateOf(day, zone)} ${word[2] ?? '00:00'}`, now, zone)
  }
  const m = /^(?:(\d{4})-(\d{1,2})-(\d{1,2}))?(?:[T\s]*)(?:(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d{2}:?\d{2})?$/i.exec(text)
  if (!m || (m[1] === undefined && m[4] === undefined)) return undefined
  const today = dateOf(new Date(now), zone).split('-').map(Number)
  const [y, mo, d] = m[1] ? [Number(m[1]), Number(m[2]), Number(m[3])] : today
  const [h, mi, s] = [Number(m[4] ?? 0), Number(m[5] ?? 0), Number(m[6] ?? 0)]
  const ms = Math.floor(Number(`0.${m[7] ?? 0}`) * SECOND)
  if (y === undefined || mo === undefined || d === undefined) return undefined
  if (mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 || s > 59) return undefined
  if (m[8]) return Date.UTC(y, mo - 1, d, h, mi, s, ms) - offsetMillis(m[8])
  return zone === 'utc' ? Date.UTC(y, mo - 1, d, h, mi, s, ms) : new Date(y, mo - 1, d, h, mi, s, ms).getTime()
}

function offsetMillis(offset: string): number {
  if (/^z$/i.test(offset)) return 0
  const sign = offset.startsWith('-') ? -1 : 1
  return sign * (Number(offset.slice(1, 3)) * HOUR + Number(offset.slice(-2)) * MINUTE)
}

/** Resolves both ends; a sentence for the user when they make no span. */
export function resolveRange(range: Range, now: number, zone: Zone): Span | string {
  const start = parseTime(range.from, now, zone)
  if (start === undefined) return `“${range.from}” is not a time. Try now-1h, 02:13 or 2026-11-20 02:13:07.`
  const end = parseTime(range.to, now, zone)
  if (end === undefined) return `“${range.to}” is not a time. Try now, 02:13 or 2026-11-20 02:13:07.`
  if (end <= start) return 'The end must be after the start.'
  return { start, end }
}

/** Writes a span for the address bar: absolute and independent of the reader's zone. */
export function absoluteRange(span: Span): Range {
  return { from: new Date(Math.floor(span.start)).toISOString(), to: new Date(Math.ceil(span.end)).toISOString() }
}

const pad = (n: number, width = 2): string => String(n).padStart(width, '0')

function dateOf(d: Date, zone: Zone): string {
  return zone === 'utc'
    ? `${d.getUTCFullYear()}-${pad(d.getUTCMonth() + 1)}-${pad(d.getUTCDate())}`
    : `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}`
}

export function formatDate(ms: number, zone: Zone): string {
  return dateOf(new Date(ms), zone)
}

/** `02:13:07.123`, to milliseconds when asked. */
export function formatClock(ms: number, zone: Zone, millis = true): string {
  const d = new Date(ms)
  const [h, m, s, f] = zone === 'utc'
    ? [d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds(), d.getUTCMilliseconds()]
    : [d.getHours(), d.getMinutes(), d.getSeconds(), d.getMilliseconds()]
  return `${pad(h)}:${pad(m)}:${pad(s)}${millis ? `.${pad(f, 3)}` : ''}`
}

export function formatDateTime(ms: number, zone: Zone, millis = false): string {
  return `${formatDate(ms, zone)} ${formatClock(ms, zone, millis)}`
}

/** What the picker's button says. */
export function describeRange(range: Range, now: number, zone: Zone): string {
  if (range.to === 'now') {
    const quick = QUICK_RANGES.find((q) => range.from === `now-${q.back}`)
    if (quick) return quick.label
    if (isRelative(range.from)) return `Last ${range.from.replace(/^now\s*-\s*/, '')}`
  }
  const span = resolveRange(range, now, zone)
  if (typeof span === 'string') return `${range.from} to ${range.to}`
  const sameDay = formatDate(span.start, zone) === formatDate(span.end, zone)
  const seconds = span.end - span.start < 10 * MINUTE
  const clock = (ms: number): string => (seconds ? formatClock(ms, zone, false) : formatClock(ms, zone, false).slice(0, 5))
  const end = isRelative(range.to) ? range.to : `${sameDay ? '' : `${formatDate(span.end, zone)} `}${clock(span.end)}`
  return `${formatDate(span.start, zone)} ${clock(span.start)} – ${end}`
}

/** `9 h ago`, for a reader who wonders how old something is. */
export function describeAge(ms: number, now: number): string {
  const age = now - ms
  if (age < 0) return `in ${describeAge(now, ms).replace(' ago', '')}`
  if (age < 2 * SECOND) return 'just now'
  if (age < 2 * MINUTE) return `${Math.round(age / SECOND)} s ago`
  if (age < 2 * HOUR) return `${Math.round(age / MINUTE)} min ago`
  if (age < 2 * DAY) return `${Math.round(age / HOUR)} h ago`
  return `${Math.round(age / DAY)} days ago`
}

const STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 2 * 86400, 7 * 86400,
]

/** The smallest round step, in seconds, that gives at most `most` buckets. */
export function stepFor(span: Span, most: number): number {
  const least = (span.end - span.start) / SECOND / most
  return STEPS.find((s) => s >= least) ?? Math.ceil(least / 86400) * 86400
}
