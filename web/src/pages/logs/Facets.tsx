import { useSignal } from '@preact/signals'
import { narrow, setPanel } from '../../app/settings.ts'
import { shortValue } from '../../lines/source.ts'
import { excludeFilter, filtersOn, toggleAmong, toggleFilter, withoutFilter } from '../../logql/edit.ts'
import { LEVEL_ORDER, levelNamed } from '../../loki/entry.ts'
import { STREAM_LABELS } from '../../loki/names.ts'
import { Icon } from '../../ui/Icon.tsx'
import { type Facet, FACETS, type FacetValue, formatCount } from './counts.ts'
import type { LogsModel } from './model.ts'

/** Values shown before the reader asks for the rest. */
const FEW = 8

export function Facets({ model }: { model: LogsModel }) {
  return (
    <aside class="facets" aria-label="Filters">
      {narrow.value && (
        <div class="facets-head">
          <h2>Filters</h2>
          <button type="button" class="icon-button" aria-label="Close filters" onClick={() => { setPanel(false) }}><Icon name="close" /></button>
        </div>
      )}
      {FACETS.map((f) => <FacetBox key={f.name} model={model} facet={f} />)}
    </aside>
  )
}

function FacetBox({ model, facet }: { model: LogsModel; facet: Facet }) {
  const all = useSignal(false)
  const open = model.openFacets.value.has(facet.name)
  const values = model.facets.value.get(facet.name)
  const query = model.view.value.query
  const { wanted, unwanted } = filtersOn(query, facet.name)
  const active = wanted.length + unwanted.length > 0
  const list = ordered(facet, Array.isArray(values) ? values : [], wanted)
  const shown = all.value ? list : list.slice(0, FEW)
  const most = Math.max(1, ...list.map((v) => v.count ?? 0))
  return (
    <section class={`facet${open ? ' open' : ''}`}>
      <div class="facet-head">
        <button type="button" class="facet-title" aria-expanded={open} onClick={() => { model.toggleFacet(facet) }}>
          <Icon name={open ? 'down' : 'right'} size={12} /> {facet.title}
        </button>
        {active && (
          <button type="button" class="tiny" aria-label={`All of ${facet.title}`} title="Remove this filter" onClick={() => void model.edit((q) => withoutFilter(q, facet.name))}>
            <Icon name="close" size={12} />
          </button>
        )}
      </div>
      {open && values === 'failed' && <p class="facet-none">Could not be counted.</p>}
      {open && values === undefined && model.status.value !== 'failed' && <p class="facet-none busy">Counting…</p>}
      {open && Array.isArray(values) && list.length === 0 && <p class="facet-none">None on these lines</p>}
      {open && (
        <ul>
          {shown.map((v) => (
            <Value key={v.value} model={model} facet={facet} v={v} share={(v.count ?? 0) / most} wanted={wanted.includes(v.value)}
              dimmed={(wanted.length > 0 && !wanted.includes(v.value)) || unwanted.includes(v.value)} />
          ))}
        </ul>
      )}
      {open && list.length > FEW && (
        <button type="button" class="more" onClick={() => { all.value = !all.value }}>
          {all.value ? 'Fewer' : `${list.length - FEW} more`}
        </button>
      )}
    </section>
  )
}

function ordered(facet: Facet, values: readonly FacetValue[], wanted: readonly string[]): readonly FacetValue[] {
  const missing = wanted.filter((w) => !values.some((v) => v.value === w)).map((value) => ({ value, count: 0 }))
  const all = [...missing, ...values]
  if (facet.name !== 'detected_level') return all
  return all.sort((a, b) => LEVEL_ORDER.indexOf(levelNamed(a.value)) - LEVEL_ORDER.indexOf(levelNamed(b.value)))
}

interface ValueProps {
  readonly model: LogsModel
  readonly facet: Facet
  readonly v: FacetValue
  /** Of the most frequent value, 0 to 1. */
  readonly share: number
  readonly wanted: boolean
  readonly dimmed: boolean
}

function Value({ model, facet, v, share, wanted, dimmed }: ValueProps) {
  const inStream = STREAM_LABELS.has(facet.name)
  const label = v.value === '' ? 'no level' : shortValue(facet.name, v.value)
  const click = (e: MouseEvent): void => {
    const change = e.shiftKey || e.ctrlKey || e.metaKey ? toggleAmong : toggleFilter
    if (narrow.value) setPanel(false)
    void model.edit((q) => change(q, facet.name, v.value, inStream))
  }
  const level = facet.name === 'detected_level' ? ` level-${levelNamed(v.value)}` : ''
  return (
    <li class={`facet-value${wanted ? ' wanted' : ''}${dimmed ? ' dimmed' : ''}${level}`}>
      <button type="button" class="facet-pick" aria-pressed={wanted} title={`${v.value || 'no level'}\nClick to show only these; with Shift to add to what is chosen`} onClick={click}>
        <span class="facet-bar" style={{ width: `${share * 100}%` }} aria-hidden="true" />
        {level && <i class="dot" />}
        <span class="facet-name">{label}</span>
        <span class="facet-count">{v.count === undefined ? '' : formatCount(v.count)}</span>
      </button>
      <button type="button" class="tiny leave-out" aria-label={`Leave out ${label}`} title="Leave these out"
        onClick={() => void model.edit((q) => excludeFilter(q, facet.name, v.value, inStream))}>
        <Icon name="minus" size={12} />
      </button>
    </li>
  )
}
