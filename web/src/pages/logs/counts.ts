// Counts over time and by label: the histogram and the panel beside the lines.

import type { Client, Series } from '../../loki/client.ts'
import { type Level, LEVEL_ORDER, levelNamed, nanosOf } from '../../loki/entry.ts'
import type { Span } from '../../time/range.ts'
import { stepFor } from '../../time/range.ts'

export interface Histogram {
  /** Seconds. */
  readonly step: number
  /** Starts of the buckets, Unix seconds. */
  readonly starts: readonly number[]
  readonly counts: ReadonlyMap<Level, readonly number[]>
  readonly totals: ReadonlyMap<Level, number>
  readonly total: number
}

const MOST_BUCKETS = 120

/** A query inside another: a comment at its end must not swallow what follows. */
const inner = (query: string): string => (query.includes('#') ? `${query}\n` : query)

export async function loadHistogram(client: Client, query: string, span: Span, signal: AbortSignal): Promise<Histogram> {
  const step = stepFor(span, MOST_BUCKETS)
  const first = Math.floor(span.start / 1000 / step) * step
  const buckets = Math.max(1, Math.ceil((span.end / 1000 - first) / step))
  const answer = await client.queryRange({
    query: `sum by (detected_level) (count_over_time(${inner(query)}[${step}s]))`,
    // A point counts the step before it.
    start: nanosOf((first + step) * 1000), end: nanosOf((first + buckets * step) * 1000), step,
  }, signal)
  return histogramOf(answer.kind === 'series' ? answer.series : [], first, buckets, step)
}

export function histogramOf(series: readonly Series[], first: number, buckets: number, step: number): Histogram {
  const counts = new Map<Level, number[]>()
  const totals = new Map<Level, number>()
  let total = 0
  for (const s of series) {
    const level = levelNamed(s.metric.detected_level)
    const row = counts.get(level) ?? new Array<number>(buckets).fill(0)
    counts.set(level, row)
    for (const [t, n] of s.points) {
      const i = Math.round((t - first) / step) - 1
      if (i < 0 || i >= buckets) continue
      row[i] = (row[i] ?? 0) + n
      totals.set(level, (totals.get(level) ?? 0) + n)
      total += n
    }
  }
  const ordered = new Map(LEVEL_ORDER.flatMap((l) => (counts.has(l) ? [[l, counts.get(l) ?? []] as const] : [])))
  return { step, starts: Array.from({ length: buckets }, (_, i) => first + i * step), counts: ordered, totals, total }
}

export interface Facet {
  readonly name: string
  readonly title: string
  /** On the stream, so that its values can be asked for without counting. */
  readonly stream?: boolean
  readonly open?: boolean
}

/** From the question asked first to the one asked last. */
export const FACETS: readonly Facet[] = [
  { name: 'detected_level', title: 'Level', open: true },
  { name: 'RayCluster', title: 'Cluster', stream: true, open: true },
  { name: 'component', title: 'Component', stream: true, open: true },
  { name: 'job_id', title: 'Job', open: true },
  { name: 'submission_id', title: 'Submission' },
  { name: 'session', title: 'Session' },
  { name: 'node_id', title: 'Node' },
  { name: 'pod', title: 'Pod' },
  { name: 'actor_name', title: 'Actor' },
  { name: 'task_name', title: 'Task' },
  { name: 'deployment', title: 'Deployment' },
  { name: 'filename', title: 'File' },
  { name: 'namespace', title: 'Namespace', stream: true },
  { name: 'group', title: 'Worker group', stream: true },
]

export interface FacetValue {
  readonly value: string
  /** Undefined where the server would not count. */
  readonly count: number | undefined
}

const MOST_VALUES = 30

export async function loadFacet(client: Client, facet: Facet, query: string, span: Span, signal: AbortSignal): Promise<FacetValue[]> {
  const seconds = Math.max(1, Math.ceil((span.end - span.start) / 1000))
  const series = await client.instant(
    `topk(${MOST_VALUES}, sum by (${facet.name}) (count_over_time(${inner(query)}[${seconds}s])))`, nanosOf(span.end), signal)
  return series
    .map((s) => ({ value: s.metric[facet.name] ?? '', count: s.points.at(-1)?.[1] ?? 0 }))
    .filter((v) => v.count > 0 && (v.value !== '' || facet.name === 'detected_level'))
    .sort((a, b) => b.count - a.count || a.value.localeCompare(b.value))
}

export function formatCount(n: number): string {
  if (n < 10_000) return n.toLocaleString('en')
  const short = (x: number, unit: string): string => `${x.toFixed(x < 100 ? 1 : 0).replace(/\.0$/, '')}${unit}`
  return n < 1_000_000 ? short(n / 1000, 'k') : short(n / 1_000_000, 'M')
}

/** Seconds between the points of a metric query. */
export function seriesStep(span: Span): number {
  return stepFor(span, 300)
}
