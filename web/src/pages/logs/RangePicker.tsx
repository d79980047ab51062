import { useSignal } from '@preact/signals'
import { zone } from '../../app/settings.ts'
import { describeRange, formatDateTime, isRelative, parseTime, QUICK_RANGES, type Range, resolveRange } from '../../time/range.ts'
import { Icon } from '../../ui/Icon.tsx'
import { Popover } from '../../ui/Popover.tsx'
import type { LogsModel } from './model.ts'

export function RangePicker({ model }: { model: LogsModel }) {
  const open = useSignal(false)
  const range = model.view.value.range
  const choose = (r: Range): void => {
    open.value = false
    void model.go({ range: r, live: model.view.value.live && r.to === 'now' })
  }
  return (
    <Popover open={open} label="Time range" align="end" buttonClass="button range-button" button={(
      <>
        <Icon name="clock" size={14} />
        <span class="range-text">{describeRange(range, Date.now(), zone.value)}</span>
        {zone.value === 'utc' && <span class="zone">UTC</span>}
        <Icon name="down" size={12} />
      </>
    )}>
      <Picker range={range} choose={choose} />
    </Popover>
  )
}

/** An end as it is best edited: relative as it is, absolute in the reader's zone. */
function editable(text: string): string {
  if (isRelative(text)) return text
  const ms = parseTime(text, Date.now(), zone.value)
  if (ms === undefined) return text
  return formatDateTime(ms, zone.value, ms % 1000 !== 0)
}

function Picker({ range, choose }: { range: Range; choose: (r: Range) => void }) {
  const from = useSignal(editable(range.from))
  const to = useSignal(editable(range.to))
  const typed = { from: from.value, to: to.value }
  const span = resolveRange(typed, Date.now(), zone.value)
  const apply = (e: Event): void => {
    e.preventDefault()
    if (typeof span === 'string') return
    const end = (text: string, ms: number): string => (isRelative(text) ? text.trim() : new Date(ms).toISOString())
    choose({ from: end(from.value, span.start), to: end(to.value, span.end) })
  }
  return (
    <div class="picker">
      <form onSubmit={apply}>
        <label for="range-from">From</label>
        <input id="range-from" value={from.value} spellcheck={false} autocomplete="off" onInput={(e) => { from.value = e.currentTarget.value }} />
        <label for="range-to">To</label>
        <input id="range-to" value={to.value} spellcheck={false} autocomplete="off" onInput={(e) => { to.value = e.currentTarget.value }} />
        <p class={typeof span === 'string' ? 'hint wrong' : 'hint'} role="status">
          {typeof span === 'string' ? span : 'now-90m, 02:13, yesterday 23:05, 2026-11-20 02:13:07'}
        </p>
        <div class="buttons"><button type="submit" class="primary" disabled={typeof span === 'string'}>Apply</button></div>
      </form>
      <ul class="quick" aria-label="Quick ranges">
        {QUICK_RANGES.map((q) => (
          <li key={q.back}>
            <button type="button" class={range.to === 'now' && range.from === `now-${q.back}` ? 'current' : ''} onClick={() => { choose({ from: `now-${q.back}`, to: 'now' }) }}>
              {q.label}
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}
