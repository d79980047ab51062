import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { dark, zone } from '../../app/settings.ts'
import type { Series } from '../../loki/client.ts'
import type { Span } from '../../time/range.ts'
import { colourOf } from '../../ui/colour.ts'
import { seriesStep } from './counts.ts'

/** Series drawn; the table below names all of them. */
const MOST_DRAWN = 30
const HUES = ['--series-1', '--series-2', '--series-3', '--series-4', '--series-5', '--series-6', '--series-7', '--series-8'] as const

const nameOf = (s: Series): string => {
  const labels = Object.entries(s.metric).map(([k, v]) => `${k}=${v}`)
  return labels.length > 0 ? labels.join(', ') : 'all lines'
}

const format = (n: number | undefined): string =>
  (n === undefined || Number.isNaN(n) ? '–' : Math.abs(n) >= 100 || Number.isInteger(n) ? Math.round(n).toLocaleString('en') : n.toPrecision(3))

/** The answer to a metric query: lines over time, and the figures. */
export function SeriesView({ series, span }: { series: readonly Series[]; span: Span }) {
  const host = useRef<HTMLDivElement>(null)
  const z = zone.value
  const isDark = dark.value
  useEffect(() => {
    const el = host.current
    if (!el || series.length === 0) return
    const u = new uPlot(optionsFor(series, span, el), dataOf(series, seriesStep(span)), el)
    const resize = new ResizeObserver(() => { if (el.clientWidth > 0) u.setSize({ width: el.clientWidth, height: 280 }) })
    resize.observe(el)
    return () => {
      resize.disconnect()
      u.destroy()
    }
  }, [series, span, z, isDark])
  if (series.length === 0) {
    return <div class="state"><h2>No series here</h2><p>Nothing was counted in this range.</p></div>
  }
  return (
    <div class="series">
      <div class="series-plot" ref={host} role="img" aria-label={`${series.length} series over time`} />
      <table>
        <thead><tr><th scope="col">Series</th><th scope="col">Last</th><th scope="col">Highest</th><th scope="col">Mean</th></tr></thead>
        <tbody>
          {series.map((s, i) => {
            const values = s.points.map(([, v]) => v)
            return (
              <tr key={nameOf(s)}>
                <th scope="row"><i class={`swatch series-${i % HUES.length + 1}`} />{nameOf(s)}</th>
                <td>{format(values.at(-1))}</td>
                <td>{format(values.reduce((a, b) => Math.max(a, b), -Infinity))}</td>
                <td>{format(values.reduce((a, b) => a + b, 0) / values.length)}</td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

/** Steps without a value are gaps, so that nothing is drawn where nothing was counted. */
function dataOf(series: readonly Series[], step: number): uPlot.AlignedData {
  const drawn = series.slice(0, MOST_DRAWN)
  const times = drawn.flatMap((s) => s.points.map(([t]) => t))
  const [first, last] = [times.reduce((a, b) => Math.min(a, b), Infinity), times.reduce((a, b) => Math.max(a, b), -Infinity)]
  const grid = Array.from({ length: Math.round((last - first) / step) + 1 }, (_, i) => first + i * step)
  return [grid, ...drawn.map((s) => {
    const row: (number | null)[] = new Array<null>(grid.length).fill(null)
    for (const [t, v] of s.points) row[Math.round((t - first) / step)] = v
    return row
  })]
}

function optionsFor(series: readonly Series[], span: Span, el: HTMLElement): uPlot.Options {
  const axis = { stroke: colourOf('--muted'), font: '11px system-ui, sans-serif', ticks: { show: false }, grid: { stroke: colourOf('--border'), width: 1 } }
  return {
    width: el.clientWidth, height: 280, padding: [12, 24, 0, 0], legend: { show: false },
    tzDate: (ts) => (zone.value === 'utc' ? uPlot.tzDate(new Date(ts * 1000), 'Etc/UTC') : new Date(ts * 1000)),
    cursor: { y: false, drag: { setScale: false, x: false, y: false } },
    scales: { x: { time: true, range: () => [span.start / 1000, span.end / 1000] } },
    axes: [{ ...axis, values: '{HH}:{mm}' }, { ...axis, size: 60 }],
    series: [{}, ...series.slice(0, MOST_DRAWN).map((_, i) => ({ stroke: colourOf(HUES[i % HUES.length] ?? '--series-1'), width: 1.5, points: { size: 3 } }))],
  }
}
