import { useComputed } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { zone } from '../../app/settings.ts'
import { VirtualList } from '../../lines/VirtualList.tsx'
import type { Entry } from '../../loki/entry.ts'
import { formatDate } from '../../time/range.ts'
import { copyText } from '../../ui/Copy.tsx'
import { Icon } from '../../ui/Icon.tsx'
import { plainText } from '../../lines/text.ts'
import { formatCount } from './counts.ts'
import { LineRow } from './LineRow.tsx'
import type { LogsModel } from './model.ts'

const ROW_HEIGHT = 22

export function Lines({ model }: { model: LogsModel }) {
  const list = useRef<VirtualList<Entry>>(null)
  const view = model.view.value
  const version = model.rows.value
  const rows = model.pager.rows
  const expanded = model.expanded.value
  const focus = model.focus.value
  const marks = model.marks.value
  const z = zone.value
  const dates = useComputed(() => formatDate(model.span.value.start, zone.value) !== formatDate(model.span.value.end, zone.value))
  const clusters = useMemo(() => severalClusters(rows), [version, rows])
  // What a line opens to is brought into sight.
  useEffect(() => {
    const seq = model.focus.peek()
    if (seq !== undefined && expanded.has(seq)) list.current?.reveal(seq)
  }, [expanded])

  const draw = (e: Entry, index: number) => (
    <LineRow key={e.seq} model={model} entry={e} index={index} open={expanded.has(e.seq)} focused={e.seq === focus}
      marks={marks} zone={z} dates={dates.value} clusters={clusters} />
  )
  const older = (): void => { void model.loadOlder() }
  const newer = (): void => { void model.loadNewer() }
  const visible = (first: number, last: number, atNewest: boolean): void => {
    const [a, b] = [model.pager.rows[first], model.pager.rows[last]]
    const seen = model.visible.peek()
    if (a && b && (seen?.from !== a.ts || seen.to !== b.ts)) model.visible.value = { from: a.ts, to: b.ts }
    if (atNewest && model.fresh.peek() > 0) model.fresh.value = 0
  }

  const move = (by: number): void => {
    const all = model.pager.rows
    const at = all.findIndex((r) => r.seq === model.focus.peek())
    const step = view.newestFirst ? -by : by
    const start = view.newestFirst === by > 0 ? all.length - 1 : 0
    const from = at >= 0 ? at + step : firstInSight(model, start)
    const row = all[Math.max(0, Math.min(all.length - 1, from))]
    if (!row) return
    model.focus.value = row.seq
    list.current?.reveal(row.seq)
  }

  const key = (e: KeyboardEvent): void => {
    if (e.target !== e.currentTarget || e.ctrlKey || e.metaKey || e.altKey) return
    const row = model.pager.rows.find((r) => r.seq === model.focus.peek())
    const page = list.current?.pageRows ?? 20
    const actions: Record<string, () => void> = {
      ArrowDown: () => { move(1) }, j: () => { move(1) }, ArrowUp: () => { move(-1) }, k: () => { move(-1) },
      PageDown: () => { move(page) }, PageUp: () => { move(-page) },
      Home: () => void model.toEnd(view.newestFirst ? 'newest' : 'oldest'),
      End: () => void model.toEnd(view.newestFirst ? 'oldest' : 'newest'),
      Enter: () => { if (row) model.toggleLine(row) }, ' ': () => { if (row) model.toggleLine(row) },
      ArrowRight: () => { if (row && !expanded.has(row.seq)) model.toggleLine(row) },
      ArrowLeft: () => { if (row && expanded.has(row.seq)) model.toggleLine(row) },
      c: () => { if (row) void copyText(plainText(row.line)) },
    }
    const action = actions[e.key]
    if (!action) return
    e.preventDefault()
    action()
  }

  return (
    <div class={`lines${view.wrap ? ' wrap' : ''}`}>
      <VirtualList<Entry> ref={list} items={rows} version={version} reversed={view.newestFirst} rowHeight={ROW_HEIGHT} tall={expanded} allTall={view.wrap}
        stick={view.live && expanded.size === 0} draw={draw} target={model.scrollTo.value} onNearTop={view.newestFirst ? newer : older} onNearBottom={view.newestFirst ? older : newer}
        onVisible={visible} label="Log lines" focus={focus} onKey={key} />
      <Edges model={model} />
    </div>
  )
}

/** Where moving by keyboard begins: at the rows in sight. */
function firstInSight(model: LogsModel, otherwise: number): number {
  const seen = model.visible.peek()
  if (!seen) return otherwise
  const i = model.pager.rows.findIndex((r) => r.ts === seen.to)
  return i < 0 ? otherwise : i
}

function severalClusters(rows: readonly Entry[]): boolean {
  const name = rows[0]?.labels.RayCluster
  return rows.some((r) => r.labels.RayCluster !== name)
}

/** What floats over the list: pages under way, a page that failed, live lines out of sight. */
function Edges({ model }: { model: LogsModel }) {
  const newestFirst = model.view.value.newestFirst
  const fresh = model.fresh.value
  const failure = model.pageFailure.value
  return (
    <>
      {model.loadingOlder.value && <div class={`edge ${newestFirst ? 'edge-bottom' : 'edge-top'}`} role="status">Loading older lines…</div>}
      {model.loadingNewer.value && <div class={`edge ${newestFirst ? 'edge-top' : 'edge-bottom'}`} role="status">Loading newer lines…</div>}
      {model.jumping.value && <div class="edge edge-middle" role="status">Loading…</div>}
      {failure && (
        <div class="edge edge-top edge-failed" role="alert">
          <span>{failure}</span>
          <button type="button" class="small" onClick={() => { model.retryPage() }}>Try again</button>
        </div>
      )}
      {fresh > 0 && model.live.value !== 'off' && (
        <button type="button" class={`pill ${newestFirst ? 'pill-top' : 'pill-bottom'}`} onClick={() => void model.toEnd('newest')}>
          <Icon name={newestFirst ? 'up' : 'down'} size={14} /> {formatCount(fresh)} new {fresh === 1 ? 'line' : 'lines'}
        </button>
      )}
    </>
  )
}
