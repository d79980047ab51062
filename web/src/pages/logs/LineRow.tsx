import { Component } from 'preact'
import { sourceOf } from '../../lines/source.ts'
import { Text } from '../../lines/Text.tsx'
import { ansiPieces, markPieces, prettyJson, rowPieces, visible } from '../../lines/text.ts'
import { type Entry, levelOf, millisOf } from '../../loki/entry.ts'
import { formatClock, formatDate, type Zone } from '../../time/range.ts'
import { Details } from './Details.tsx'
import type { LogsModel } from './model.ts'

export interface RowProps {
  readonly model: LogsModel
  readonly entry: Entry
  readonly index: number
  readonly open: boolean
  readonly focused: boolean
  readonly marks: RegExp | undefined
  readonly zone: Zone
  readonly dates: boolean
  readonly clusters: boolean
}

/** One line. It is drawn again only when something about it changes. */
export class LineRow extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    const was = this.props
    return (Object.keys(next) as (keyof RowProps)[]).some((k) => next[k] !== was[k])
  }

  private readonly click = (): void => {
    // Selecting text of a line is no wish to open it.
    if (getSelection()?.isCollapsed === false) return
    this.props.model.toggleLine(this.props.entry)
  }

  render({ model, entry, index, open, focused, marks, zone, dates, clusters }: RowProps) {
    const level = levelOf(entry)
    const ms = millisOf(entry.ts)
    const source = sourceOf(entry)
    return (
      <div class={`row level-${level}${open ? ' open' : ''}${focused ? ' focused' : ''}`} id={`row-${entry.seq}`} data-seq={entry.seq}
        role="row" aria-rowindex={index + 1} aria-level={1} aria-expanded={open} aria-selected={focused}>
        <div class="line" onClick={this.click} role="presentation">
          <span class="time" role="gridcell">
            {dates && <span class="date">{formatDate(ms, zone).slice(5)} </span>}{formatClock(ms, zone)}
          </span>
          <span class="level" role="gridcell">{level === 'none' ? '' : level === 'critical' ? 'crit' : level}</span>
          {clusters && <span class="cluster" role="gridcell" title={entry.labels.RayCluster}>{entry.labels.RayCluster}</span>}
          <span class="component" role="gridcell">{entry.labels.component ?? entry.labels.service_name ?? ''}</span>
          <span class="source" role="gridcell" title={source}>{source}</span>
          <span class="text" role="gridcell"><Text pieces={rowPieces(entry.line, marks)} /></span>
        </div>
        {open && <Details model={model} entry={entry} zone={zone}><Whole line={entry.line} marks={marks} /></Details>}
      </div>
    )
  }
}

/** Enough for any traceback; what is longer is copied rather than read here. */
const MOST_SHOWN = 50_000

function Whole({ line, marks }: { line: string; marks: RegExp | undefined }) {
  const text = prettyJson(line) ?? line.replace(/\r(?!\n)/g, '\n').replace(/\s+$/, '')
  const cut = text.length > MOST_SHOWN
  return (
    <>
      <pre class="whole" tabIndex={0} aria-label="The whole line"><Text pieces={markPieces(ansiPieces(visible(text.slice(0, MOST_SHOWN))), marks)} /></pre>
      {cut && <p class="hint">The first {MOST_SHOWN.toLocaleString('en')} of {text.length.toLocaleString('en')} characters. Copying takes all of them.</p>}
    </>
  )
}
