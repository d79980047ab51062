// The state of the logs page: one view, what was loaded for it, and the ways to
// change either. Everything asked for an older view is cancelled by a newer one.

import { batch, computed, signal } from '@preact/signals'
import { navigate } from '../../app/router.ts'
import { client, tenant, zone } from '../../app/settings.ts'
import { Pager } from '../../lines/pager.ts'
import { GRAVE, kindOf, marksOf, parsesLines, fromPlainText, offsetAt, setFilter, toggleFilter, DEFAULT_QUERY, withoutFilter } from '../../logql/edit.ts'
import { type Client, type Series, ServerError } from '../../loki/client.ts'
import { addNanos, type Entry, identityOf, levelOf, millisOf, nanosOf } from '../../loki/entry.ts'
import { type LiveState, Tail } from '../../loki/tail.ts'
import { absoluteRange, DAY, QUICK_RANGES, type Range, resolveRange, type Span } from '../../time/range.ts'
import { type Facet, FACETS, type FacetValue, type Histogram, loadFacet, loadHistogram, seriesStep } from './counts.ts'
import { decodeView, encodeView, LAST_HOUR, type View } from './view.ts'

export type Status = 'loading' | 'ready' | 'failed'

export interface Failure {
  readonly message: string
  /** Offset in the query that was run. */
  readonly at: number | undefined
  readonly status: number
}

/** Why there are no lines, and where some are. */
export interface Nothing {
  readonly newest: Entry | undefined
  /** The server holds no line of Ray at all. */
  readonly bare: boolean
}

/** Live counts are asked for again after this long, and never take more than a tenth of the time. */
const LIVE_REFRESH = 5_000
const LIVE_REFRESH_SHARE = 10
const LONGEST_LOOK_BACK = 30 * DAY
const GRAVE_LEVELS: ReadonlySet<string> = new Set(['error', 'critical', 'fatal'])

export class LogsModel {
  readonly view = signal<View>(decodeView(new URLSearchParams()))
  /** The text in the box, which need not have run yet. */
  readonly draft = signal(DEFAULT_QUERY)
  readonly span = signal<Span>({ start: 0, end: 1 })
  readonly status = signal<Status>('loading')
  readonly failure = signal<Failure | undefined>(undefined)
  readonly nothing = signal<Nothing | undefined>(undefined)
  readonly notice = signal('')

  pager = new Pager(() => Promise.resolve([]), '0', '0')
  /** Counts changes of the pager's rows. */
  readonly rows = signal(0)
  readonly loadingOlder = signal(false)
  readonly loadingNewer = signal(false)
  /** Another part of the range is being loaded in place of this one. */
  readonly jumping = signal(false)
  readonly pageFailure = signal('')
  readonly expanded = signal<ReadonlySet<number>>(new Set())
  readonly focus = signal<number | undefined>(undefined)
  /** Asks the list to show a row, or its newest or oldest end. */
  readonly scrollTo = signal<{ seq: number | 'newest' | 'oldest' } | undefined>(undefined)
  /** First and last visible line's time stamps. */
  readonly visible = signal<{ from: string; to: string } | undefined>(undefined)

  readonly histogram = signal<Histogram | undefined>(undefined)
  readonly counting = signal(false)
  readonly facets = signal<ReadonlyMap<string, FacetValue[] | 'failed'>>(new Map())
  readonly openFacets = signal<ReadonlySet<string>>(new Set(FACETS.filter((f) => f.open).map((f) => f.name)))
  /** The answer to a metric query. */
  readonly series = signal<Series[] | undefined>(undefined)

  readonly live = signal<LiveState>('off')
  readonly fresh = signal(0)

  readonly marks = computed(() => marksOf(this.view.value.query))
  readonly kind = computed(() => kindOf(this.view.value.query))

  private abort = new AbortController()
  private tail: Tail | undefined
  private explained: Promise<void> | undefined
  private refresh: ReturnType<typeof setTimeout> | undefined

  private get client(): Client { return client.value }

  /**
   * Takes the view from the address bar. The page's first one may choose its
   * range, and keeps the tenant used last when the address names none.
   */
  async restore(params: URLSearchParams, opening: boolean): Promise<void> {
    const first = !params.has('q') && !params.has('from')
    const view = decodeView(params)
    if (!opening || params.has('tenant')) tenant.value = view.tenant
    await this.open({ ...view, tenant: tenant.value, ...(first ? { range: LAST_HOUR } : {}) })
    await this.explained
    if (first && this.view.value.range === LAST_HOUR && this.nothing.value) await this.widen()
  }

  /** Nothing in the last hour: show the shortest range that has something. */
  private async widen(): Promise<void> {
    const newest = this.nothing.value?.newest
    if (!newest) return
    const age = Date.now() - millisOf(newest.ts)
    const quick = QUICK_RANGES.find((q) => age < durationOf(q.back) * 0.95)
    const range: Range = quick ? { from: `now-${quick.back}`, to: 'now' } : around(millisOf(newest.ts), DAY)
    await this.go({ range }, true)
    this.notice.value = 'Nothing new in the last hour, so this shows the time of the newest lines.'
  }

  /** Changes the view, writes it into the address bar, and loads it. */
  async go(change: Partial<View>, replace = false): Promise<void> {
    const view: View = { ...this.view.value, at: undefined, ...change }
    navigate(encodeView(view), { replace })
    await this.open(view)
  }

  /** Changes what the address bar says of how lines are shown, without loading. */
  show(change: Partial<View>): void {
    this.view.value = { ...this.view.value, ...change }
    navigate(encodeView(this.view.value), { replace: true })
  }

  /** Turns the order round and keeps the reader's place. */
  reverse(): void {
    this.show({ newestFirst: !this.view.value.newestFirst })
  }

  run(text = this.draft.value): Promise<void> {
    const live = this.view.value.live
    return this.go({ query: fromPlainText(text), live: live && kindOf(fromPlainText(text)) === 'logs' })
  }

  edit(change: (query: string) => string): Promise<void> {
    return this.go({ query: change(this.view.value.query) })
  }

  zoom(span: Span): Promise<void> {
    return this.go({ range: absoluteRange(span), live: false })
  }

  zoomOut(): Promise<void> {
    const { start, end } = this.span.value
    const half = (end - start) / 2
    return this.zoom({ start: start - half, end: Math.min(end + half, Math.max(end, Date.now())) })
  }

  shift(direction: -1 | 1): Promise<void> {
    const { start, end } = this.span.value
    const by = ((end - start) / 2) * direction
    return this.zoom({ start: start + by, end: end + by })
  }

  setLive(on: boolean): Promise<void> {
    const range = this.view.value.range
    return this.go({ live: on, range: on && range.to !== 'now' ? LAST_HOUR : range })
  }

  private async open(view: View): Promise<void> {
    this.close()
    const abort = new AbortController()
    this.abort = abort
    const span = resolveRange(view.range, Date.now(), zone.value)
    batch(() => {
      this.view.value = view
      this.draft.value = view.query
      this.notice.value = ''
      this.pageFailure.value = ''
      this.failure.value = undefined
      this.nothing.value = undefined
      this.status.value = 'loading'
      this.expanded.value = new Set()
      this.focus.value = undefined
      this.visible.value = undefined
      this.fresh.value = 0
      if (typeof span !== 'string') this.span.value = span
    })
    if (typeof span === 'string') {
      this.fail(new ServerError(span, 400))
      return
    }
    try {
      if (this.kind.value === 'metric') await this.openSeries(view, span, abort.signal)
      else await this.openLines(view, span, abort.signal)
    } catch (e) {
      if (!abort.signal.aborted) this.fail(e)
    }
  }

  /** Stops everything that belongs to the view. */
  close(): void {
    this.abort.abort()
    this.tail?.stop()
    this.tail = undefined
    clearTimeout(this.refresh)
    this.explained = undefined
  }

  private fail(e: unknown): void {
    const error = e instanceof ServerError ? e : new ServerError(e instanceof Error ? e.message : String(e), 0)
    const at = error.position ? offsetAt(this.view.value.query, error.position.line, error.position.col) : undefined
    batch(() => {
      this.failure.value = { message: error.message, at, status: error.status }
      this.status.value = 'failed'
      this.histogram.value = undefined
      this.series.value = undefined
      this.counting.value = false
    })
  }

  private async openSeries(view: View, span: Span, signal: AbortSignal): Promise<void> {
    const answer = await this.client.queryRange({
      query: view.query, start: nanosOf(span.start), end: nanosOf(span.end), step: seriesStep(span),
    }, signal)
    if (signal.aborted) return
    batch(() => {
      this.series.value = answer.kind === 'series' ? answer.series : []
      this.histogram.value = undefined
      this.status.value = 'ready'
    })
  }

  private async openLines(view: View, span: Span, signal: AbortSignal): Promise<void> {
    const pager = new Pager((start, end, limit, direction) => this.client.lines({ query: view.query, start, end, limit, direction }, signal),
      nanosOf(span.start), nanosOf(span.end))
    let line: Entry | undefined
    if (view.at && !view.live) line = await pager.openAround(view.at)
    else await pager.openAtEnd()
    if (signal.aborted) return
    batch(() => {
      this.pager = pager
      this.rows.value++
      this.series.value = undefined
      this.status.value = 'ready'
      if (line) {
        this.expanded.value = new Set(view.at?.includes('-') ? [line.seq] : [])
        this.focus.value = line.seq
      }
      this.scrollTo.value = { seq: line ? line.seq : 'newest' }
    })
    if (pager.rows.length === 0) this.explained = this.explainNothing(view, span, signal)
    if (view.live) this.follow(view, span, pager, signal)
    if (!view.live) void this.count(view, span, signal)
  }

  /** Looks for the newest line before an empty span. */
  private async explainNothing(view: View, span: Span, signal: AbortSignal): Promise<void> {
    const look = async (query: string, end: number): Promise<Entry | undefined> => {
      try {
        const found = await this.client.lines({ query, start: nanosOf(end - LONGEST_LOOK_BACK), end: nanosOf(end), limit: 1, direction: 'backward' }, signal)
        return found[0]
      } catch {
        return undefined
      }
    }
    const newest = await look(view.query, span.start) ?? await look(view.query, Date.now() + DAY)
    const bare = !newest && !(await look(DEFAULT_QUERY, Date.now() + DAY))
    if (signal.aborted) return
    this.nothing.value = { newest, bare }
  }

  private follow(view: View, span: Span, pager: Pager, signal: AbortSignal): void {
    const last = pager.rows.at(-1)
    const from = last ? last.ts : nanosOf(span.end)
    this.tail = new Tail(this.client, view.query, from, pager.rows.slice(-2000), parsesLines(view.query), {
      lines: (entries) => {
        if (signal.aborted) return
        pager.append(entries, Math.max(100_000, pager.rows.length))
        batch(() => {
          this.nothing.value = undefined
          this.fresh.value += entries.length
          this.rows.value++
        })
      },
      state: (s) => { this.live.value = s },
      dropped: (n) => { this.notice.value = `The server left out ${n} live lines to keep up. They are stored: run the query again to see them.` },
      refused: (e) => {
        this.live.value = 'off'
        this.notice.value = `Live mode ended: ${e.message}`
      },
    })
    void this.countAgain(view, signal)
  }

  private async countAgain(view: View, signal: AbortSignal): Promise<void> {
    const began = Date.now()
    const now = resolveRange(view.range, began, zone.value)
    if (typeof now !== 'string' && !document.hidden) {
      this.span.value = now
      await this.count(view, now, signal)
    }
    if (signal.aborted || !this.tail) return
    this.refresh = setTimeout(() => void this.countAgain(view, signal), Math.max(LIVE_REFRESH, (Date.now() - began) * LIVE_REFRESH_SHARE))
  }

  private async count(view: View, span: Span, signal: AbortSignal): Promise<void> {
    this.counting.value = true
    try {
      this.histogram.value = await loadHistogram(this.client, view.query, span, signal)
    } catch {
      if (!signal.aborted) this.histogram.value = undefined
    }
    if (signal.aborted) return
    this.counting.value = false
    for (const facet of FACETS) {
      if (this.openFacets.value.has(facet.name)) await this.countFacet(facet, view, span, signal)
    }
  }

  private async countFacet(facet: Facet, view: View, span: Span, signal: AbortSignal): Promise<void> {
    let values: FacetValue[] | 'failed'
    try {
      // The facet's own filter must not hide the values one could choose instead.
      values = await loadFacet(this.client, facet, withoutFilter(view.query, facet.name), span, signal)
    } catch {
      values = facet.stream ? await this.facetNames(facet, span, signal) : 'failed'
    }
    if (!signal.aborted) this.facets.value = new Map(this.facets.value).set(facet.name, values)
  }

  private async facetNames(facet: Facet, span: Span, signal: AbortSignal): Promise<FacetValue[] | 'failed'> {
    try {
      const names = await this.client.labelValues(facet.name, undefined, nanosOf(span.start), nanosOf(span.end), signal)
      return names.map((value) => ({ value, count: undefined }))
    } catch {
      return 'failed'
    }
  }

  toggleFacet(facet: Facet): void {
    const open = new Set(this.openFacets.value)
    if (open.delete(facet.name)) {
      this.openFacets.value = open
      return
    }
    open.add(facet.name)
    this.openFacets.value = open
    if (this.kind.value === 'logs') void this.countFacet(facet, this.view.value, this.span.value, this.abort.signal)
  }

  async loadOlder(): Promise<void> {
    if (this.loadingOlder.value || !this.pager.hasOlder || this.pageFailure.value) return
    await this.page(this.loadingOlder, (p) => p.loadOlder())
  }

  async loadNewer(): Promise<void> {
    if (this.loadingNewer.value || !this.pager.hasNewer || this.pageFailure.value) return
    await this.page(this.loadingNewer, (p) => p.loadNewer())
  }

  private async page(busy: { value: boolean }, load: (p: Pager) => Promise<void>): Promise<void> {
    const pager = this.pager
    const signal = this.abort.signal
    busy.value = true
    try {
      await load(pager)
    } catch (e) {
      if (!signal.aborted) this.pageFailure.value = e instanceof Error ? e.message : String(e)
    } finally {
      batch(() => {
        busy.value = false
        if (pager === this.pager) this.rows.value++
      })
    }
  }

  retryPage(): void {
    this.pageFailure.value = ''
    this.rows.value++
  }

  /** Shows an end of the range, loading it when it is not there. */
  async toEnd(end: 'newest' | 'oldest'): Promise<void> {
    const there = end === 'newest' ? !this.pager.hasNewer : !this.pager.hasOlder
    if (!there) await this.reopen((p) => (end === 'newest' ? p.openAtEnd() : p.openAtStart()))
    batch(() => {
      this.fresh.value = 0
      this.scrollTo.value = { seq: end }
    })
  }

  /** Shows a line of this query, loading what surrounds it when it is not there. */
  async toLine(e: Entry): Promise<void> {
    const id = identityOf(e)
    let row = this.pager.find(id)
    if (!row) {
      await this.reopen((p) => p.openAround(id))
      row = this.pager.find(id)
    }
    if (!row) return
    const seq = row.seq
    batch(() => {
      this.focus.value = seq
      this.scrollTo.value = { seq }
    })
  }

  private async reopen(open: (p: Pager) => Promise<unknown>): Promise<void> {
    if (this.view.value.live) {
      this.tail?.stop()
      this.tail = undefined
      clearTimeout(this.refresh)
      this.show({ live: false })
    }
    const { signal } = this.abort
    const pager = this.pager.sibling()
    this.jumping.value = true
    try {
      await open(pager)
      if (signal.aborted) return
      this.pager = pager
      this.rows.value++
    } catch (e) {
      if (!signal.aborted) this.fail(e)
    } finally {
      this.jumping.value = false
    }
  }

  /** Goes to the next grave line after the focused one, or before it. A traceback counts as one. */
  async toGrave(direction: 'first' | 'next' | 'previous'): Promise<void> {
    const { start, end } = this.span.value
    const query = setFilter(this.view.value.query, 'detected_level', GRAVE.split('|'))
    const from = direction === 'first' ? undefined : this.edgeOfFocus(direction)
    const params = direction === 'previous'
      ? { start: nanosOf(start), end: from ?? nanosOf(end), direction: 'backward' as const }
      : { start: from ?? nanosOf(start), end: nanosOf(end), direction: 'forward' as const }
    try {
      const found = await this.client.lines({ query, ...params, limit: 1 }, this.abort.signal)
      if (found[0]) await this.toLine(found[0])
      else this.notice.value = direction === 'previous' ? 'No error before this one.' : direction === 'next' ? 'No error after this one.' : 'No error in this range.'
    } catch (e) {
      if (!this.abort.signal.aborted) this.notice.value = e instanceof Error ? e.message : String(e)
    }
  }

  private edgeOfFocus(direction: 'next' | 'previous'): string | undefined {
    const rows = this.pager.rows
    let i = rows.findIndex((r) => r.seq === this.focus.value)
    if (i < 0) return undefined
    const step = direction === 'next' ? 1 : -1
    while (GRAVE_LEVELS.has(levelOf(rows[i + step] ?? (rows[i] as Entry))) && rows[i + step]) i += step
    const edge = rows[i] as Entry
    return direction === 'next' ? addNanos(edge.ts, 1) : edge.ts
  }

  /** An address that shows this line however much later it is opened. */
  linkTo(e: Entry): string {
    const view = { ...this.view.value, range: absoluteRange(this.span.value), live: false, at: identityOf(e) }
    return new URL(encodeView(view), location.href).href
  }

  toggleLine(e: Entry): void {
    const open = new Set(this.expanded.value)
    const closing = open.delete(e.seq)
    if (!closing) open.add(e.seq)
    batch(() => {
      this.expanded.value = open
      this.focus.value = e.seq
    })
    this.show({ at: closing ? undefined : identityOf(e) })
  }

  filter(name: string, value: string, inStream: boolean): Promise<void> {
    return this.edit((q) => toggleFilter(q, name, value, inStream))
  }

  /** The lines around one in its own file, as the program wrote them. */
  showInFile(e: Entry): Promise<void> {
    let query = DEFAULT_QUERY
    for (const name of ['RayCluster', 'component'] as const) if (e.labels[name]) query = setFilter(query, name, [e.labels[name]], true)
    for (const name of ['session', 'node_id', 'filename'] as const) if (e.meta[name]) query = setFilter(query, name, [e.meta[name]], false)
    const { start, end } = this.span.value
    const ms = millisOf(e.ts)
    const span = { start: Math.min(start, ms - 600_000), end: Math.max(end, ms + 600_000) }
    const range = this.view.value.range.to === 'now' && span.start === start ? this.view.value.range : absoluteRange(span)
    return this.go({ query, range, at: identityOf(e), live: false })
  }
}

function around(ms: number, width: number): Range {
  return absoluteRange({ start: ms - width / 2, end: ms + width / 2 })
}

function durationOf(back: string): number {
  const span = resolveRange({ from: `now-${back}`, to: 'now' }, Date.now(), 'utc')
  return typeof span === 'string' ? 0 : span.end - span.start
}
