// A line as the server answers it.

export type Labels = Readonly<Record<string, string>>

export interface Entry {
  /** Unique in this page's life: the key of its row. */
  readonly seq: number
  /** Unix nanoseconds, decimal: JavaScript's numbers are too short for them. */
  readonly ts: string
  readonly line: string
  /** Labels of the stream. */
  readonly labels: Labels
  /** Structured metadata of this line. */
  readonly meta: Labels
  /** What the query's parsers took out of the line. */
  readonly parsed: Labels
}

let lastSeq = 0
export function nextSeq(): number {
  return ++lastSeq
}

export function millisOf(ts: string): number {
  return ts.length <= 6 ? 0 : Number(ts.slice(0, -6))
}

/** Nanoseconds of a point in milliseconds. */
export function nanosOf(ms: number): string {
  return String(BigInt(Math.floor(ms)) * 1_000_000n)
}

export function addNanos(ts: string, n: number): string {
  return String(BigInt(ts) + BigInt(n))
}

/** Orders decimal time stamps as numbers. */
export function compareTs(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length
  return a < b ? -1 : a > b ? 1 : 0
}

/** A value of the line, whichever of its three kinds of label holds it. */
export function valueOf(e: Entry, name: string): string {
  return e.parsed[name] ?? e.meta[name] ?? e.labels[name] ?? ''
}

/** Equal for the same stored line in two answers; part of a link to it. */
export function identityOf(e: Entry): string {
  let h = 0x811c9dc5
  const add = (s: string): void => {
    for (let i = 0; i < s.length; i++) h = Math.imul(h ^ s.charCodeAt(i), 0x01000193)
    h = Math.imul(h ^ 0xff, 0x01000193)
  }
  add(e.line)
  // What a query's parsers add is not part of the line.
  for (const set of [e.labels, e.meta]) for (const k of Object.keys(set).sort()) { add(k); add(set[k] ?? '') }
  return `${e.ts}-${(h >>> 0).toString(36)}`
}

/** The time stamp inside an identity. */
export function tsOfIdentity(id: string): string | undefined {
  return /^(\d{1,19})(-[0-9a-z]+)?$/.exec(id)?.[1]
}

const LEVELS: Readonly<Record<string, Level>> = {
  trace: 'trace', debug: 'debug', info: 'info', information: 'info', notice: 'info',
  warn: 'warn', warning: 'warn', error: 'error', err: 'error', critical: 'critical', crit: 'critical',
  fatal: 'fatal', panic: 'fatal', emerg: 'fatal',
}

export type Level = 'fatal' | 'critical' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'none'

/** Gravest first. */
export const LEVEL_ORDER: readonly Level[] = ['fatal', 'critical', 'error', 'warn', 'info', 'debug', 'trace', 'none']

export function levelNamed(name: string | undefined): Level {
  return LEVELS[name?.toLowerCase() ?? ''] ?? 'none'
}

export function levelOf(e: Entry): Level {
  return levelNamed(e.meta.detected_level ?? e.labels.detected_level ?? e.meta.level ?? e.labels.level ?? e.parsed.level)
}
