import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { dark, zone } from '../../app/settings.ts'
import { type Level, LEVEL_ORDER, millisOf } from '../../loki/entry.ts'
import { formatClock, formatDate, formatDateTime, formatDuration } from '../../time/range.ts'
import { colourOf } from '../../ui/colour.ts'
import { Icon } from '../../ui/Icon.tsx'
import { formatCount, type Histogram } from './counts.ts'
import type { LogsModel } from './model.ts'

const HEIGHT = 104

interface Hover {
  readonly bucket: number
  readonly left: number
  readonly flip: boolean
}

export function HistogramView({ model }: { model: LogsModel }) {
  const host = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const drawn = useSignal(0)
  const hover = useSignal<Hover | undefined>(undefined)
  const h = model.histogram.value
  const z = zone.value
  const isDark = dark.value
  const busy = model.counting.value || model.status.value === 'loading'

  useEffect(() => {
    const el = host.current
    if (!el || !h) return
    const u = new uPlot(optionsFor(h, el.clientWidth, model, (v) => { hover.value = v }), [[...h.starts], h.starts.map((_, i) => sumAt(h, i))], el)
    plot.current = u
    drawn.value++
    const resize = new ResizeObserver(() => { if (el.clientWidth > 0) u.setSize({ width: el.clientWidth, height: HEIGHT }) })
    resize.observe(el)
    return () => {
      resize.disconnect()
      u.destroy()
      plot.current = undefined
    }
  }, [h, z, isDark])

  return (
    <section class="histogram" aria-label="Lines over time">
      <div class="histogram-head">
        <Legend model={model} h={h} />
        <span class="grow" />
        <div class="button-row">
          <button type="button" class="tiny" aria-label="Earlier" title="Earlier" onClick={() => void model.shift(-1)}><Icon name="left" size={14} /></button>
          <button type="button" class="tiny" aria-label="Zoom out" title="Zoom out" onClick={() => void model.zoomOut()}><Icon name="out" size={14} /></button>
          <button type="button" class="tiny" aria-label="Later" title="Later" onClick={() => void model.shift(1)}><Icon name="right" size={14} /></button>
        </div>
      </div>
      <div class="histogram-plot" ref={host} role="img" aria-label={summary(h)}>
        {!h && <div class={`histogram-empty${busy ? ' busy' : ''}`}>{busy ? '' : 'No counts'}</div>}
        <Sight model={model} plot={plot} drawn={drawn.value} />
        {h && hover.value && <Tooltip h={h} hover={hover.value} />}
      </div>
    </section>
  )
}

function Legend({ model, h }: { model: LogsModel; h: Histogram | undefined }) {
  return (
    <div class="legend">
      <strong>{h ? formatCount(h.total) : '–'}</strong>&nbsp;{h?.total === 1 ? 'line' : 'lines'}
      {h && byLevel(h).map(([level, n]) => (
        <button key={level} type="button" class={`legend-level level-${level}`} title={`Only ${name(level)}`}
          onClick={() => void model.filter('detected_level', level === 'none' ? '' : level, false)}>
          <i /> {name(level)} <b>{formatCount(n)}</b>
        </button>
      ))}
      {h && <span class="step">per {formatDuration(h.step * 1000)}</span>}
    </div>
  )
}

const byLevel = (h: Histogram): [Level, number][] => [...h.totals].sort(([a], [b]) => order(a) - order(b))
const order = (l: Level): number => LEVEL_ORDER.indexOf(l)
const name = (l: Level): string => (l === 'none' ? 'no level' : l)
const sumAt = (h: Histogram, i: number): number => [...h.counts.values()].reduce((sum, row) => sum + (row[i] ?? 0), 0)

function summary(h: Histogram | undefined): string {
  if (!h) return 'No counts yet'
  const parts = byLevel(h).map(([l, n]) => `${n} ${name(l)}`)
  return `${h.total} lines: ${parts.join(', ')}. Drag to zoom.`
}

/** The part of the time axis whose lines are in sight below. */
function Sight({ model, plot }: { model: LogsModel; plot: { current: uPlot | undefined }; drawn: number }) {
  const seen = model.visible.value
  const u = plot.current
  if (!seen || !u || !model.histogram.value) return null
  const at = (ts: string): number => u.valToPos(millisOf(ts) / 1000, 'x') + u.over.offsetLeft
  const left = Math.max(u.over.offsetLeft, at(seen.from))
  const right = Math.min(u.over.offsetLeft + u.over.clientWidth, at(seen.to))
  if (!(right >= left)) return null
  return <div class="sight" style={{ left: `${left}px`, width: `${Math.max(2, right - left)}px` }} aria-hidden="true" />
}

function Tooltip({ h, hover }: { h: Histogram; hover: Hover }) {
  const start = (h.starts[hover.bucket] ?? 0) * 1000
  const rows = [...h.counts].filter(([, row]) => (row[hover.bucket] ?? 0) > 0)
  return (
    <div class={`tooltip${hover.flip ? ' flip' : ''}`} style={{ left: `${hover.left}px` }} aria-hidden="true">
      <div class="tooltip-time">{formatDateTime(start, zone.value)} – {formatClock(start + h.step * 1000, zone.value, false)}</div>
      {rows.length === 0 && <div class="muted">no lines</div>}
      {rows.map(([level, row]) => (
        <div key={level} class={`tooltip-row level-${level}`}><i /> <span>{name(level)}</span> <b>{(row[hover.bucket] ?? 0).toLocaleString('en')}</b></div>
      ))}
    </div>
  )
}

function optionsFor(h: Histogram, width: number, model: LogsModel, onHover: (v: Hover | undefined) => void): uPlot.Options {
  const [first, last] = [h.starts[0] ?? 0, (h.starts.at(-1) ?? 0) + h.step]
  const axis = { stroke: colourOf('--muted'), font: '11px system-ui, sans-serif', ticks: { show: false } }
  return {
    width, height: HEIGHT, padding: [6, 18, 0, 0], legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false, dist: 4 } },
    scales: { x: { time: true, range: () => [first, last] }, y: { range: (_u, _min, max) => [0, Math.max(1, max) * 1.08] } },
    tzDate: (ts) => (zone.value === 'utc' ? uPlot.tzDate(new Date(ts * 1000), 'Etc/UTC') : new Date(ts * 1000)),
    axes: [
      { ...axis, size: 22, gap: 4, grid: { show: false }, space: 90, values: (_u, splits) => timeLabels(splits) },
      { ...axis, size: 46, gap: 6, space: 34, grid: { stroke: colourOf('--border'), width: 1 }, values: (_u, splits) => splits.map((n) => (Number.isInteger(n) ? formatCount(n) : '')) },
    ],
    series: [{}, { paths: () => null, points: { show: false } }],
    hooks: {
      draw: [(u) => { drawBars(u, h) }],
      setCursor: [(u) => {
        const left = u.cursor.left ?? -1
        if (left < 0) { onHover(undefined); return }
        const bucket = Math.floor((u.posToVal(left, 'x') - first) / h.step)
        onHover(bucket >= 0 && bucket < h.starts.length ? { bucket, left: left + u.over.offsetLeft, flip: left > u.over.clientWidth / 2 } : undefined)
      }],
      setSelect: [(u) => {
        if (u.select.width < 4) return
        const [a, b] = [u.posToVal(u.select.left, 'x'), u.posToVal(u.select.left + u.select.width, 'x')]
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
        if (b > a) void model.zoom({ start: a * 1000, end: b * 1000 })
      }],
    },
  }
}

function timeLabels(splits: readonly number[]): string[] {
  const step = (splits[1] ?? 0) - (splits[0] ?? 0)
  let day = ''
  return splits.map((t) => {
    const date = formatDate(t * 1000, zone.value).slice(5)
    const clock = formatClock(t * 1000, zone.value, false)
    if (step >= 86400) return date
    const changed = day !== '' && date !== day
    day = date
    return changed ? date : step < 60 ? clock : clock.slice(0, 5)
  })
}

/** Stacked bars, gravest at the bottom, where even one error among thousands of lines is seen. */
function drawBars(u: uPlot, h: Histogram): void {
  const { ctx } = u
  const unit = devicePixelRatio
  ctx.save()
  ctx.beginPath()
  ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height)
  ctx.clip()
  const bottom = u.bbox.top + u.bbox.height
  const heights = new Float64Array(h.starts.length)
  for (const [level, row] of h.counts) {
    ctx.fillStyle = colourOf(`--bar-${level}`)
    for (let i = 0; i < row.length; i++) {
      const n = row[i] ?? 0
      if (n === 0) continue
      const start = h.starts[i] ?? 0
      const x = u.valToPos(start, 'x', true)
      const w = u.valToPos(start + h.step, 'x', true) - x
      const gap = w > 6 * unit ? unit : w > 3 * unit ? unit / 2 : 0
      const least = order(level) <= order('warn') ? 2.5 * unit : unit
      const height = Math.max(least, bottom - u.valToPos(n, 'y', true))
      ctx.fillRect(x + gap / 2, bottom - (heights[i] ?? 0) - height, Math.max(unit, w - gap), height)
      heights[i] = (heights[i] ?? 0) + height
    }
  }
  ctx.restore()
}
