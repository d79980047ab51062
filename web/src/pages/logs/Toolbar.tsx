import { panelOpen, setPanel } from '../../app/settings.ts'
import { Icon, type IconName } from '../../ui/Icon.tsx'
import { formatCount } from './counts.ts'
import type { LogsModel } from './model.ts'

export function Toolbar({ model }: { model: LogsModel }) {
  const view = model.view.value
  const totals = model.histogram.value?.totals
  const grave = (totals?.get('error') ?? 0) + (totals?.get('critical') ?? 0) + (totals?.get('fatal') ?? 0)
  return (
    <div class="toolbar" role="toolbar" aria-label="Lines">
      <Toggle icon="panel" label="Filters" on={panelOpen.value} toggle={() => { setPanel(!panelOpen.value) }} />
      <Loaded model={model} />
      <span class="grow" />
      {totals && (
        <div class={`grave${grave > 0 ? ' some' : ''}`}>
          {grave > 0
            ? (
              <>
                <button type="button" class="small" title="Go to the first error in this range" onClick={() => void model.toGrave('first')}>
                  <Icon name="warn" size={14} /><span>First of {formatCount(grave)} {grave === 1 ? 'error' : 'errors'}</span>
                </button>
                <button type="button" class="tiny" aria-label="Previous error" title="Previous error (Shift+E)" onClick={() => void model.toGrave('previous')}><Icon name="up" size={14} /></button>
                <button type="button" class="tiny" aria-label="Next error" title="Next error (E)" onClick={() => void model.toGrave('next')}><Icon name="down" size={14} /></button>
              </>
              )
            : <span class="muted">No errors</span>}
        </div>
      )}
      <Toggle icon="wrap" label="Wrap" on={view.wrap} toggle={() => { model.show({ wrap: !view.wrap }) }} />
      <Toggle icon="order" label="Newest first" on={view.newestFirst} toggle={() => { model.reverse() }} />
    </div>
  )
}

function Loaded({ model }: { model: LogsModel }) {
  void model.rows.value
  const n = model.pager.rows.length
  const more = model.pager.hasOlder || model.pager.hasNewer
  if (model.status.value !== 'ready' || n === 0) return null
  return <span class="loaded muted" role="status">{n.toLocaleString('en')} {n === 1 ? 'line' : 'lines'}{more ? ' loaded, more as you scroll' : ''}</span>
}

function Toggle({ icon, label, on, toggle }: { icon: IconName; label: string; on: boolean; toggle: () => void }) {
  return (
    <button type="button" class="small toggle" aria-pressed={on} onClick={toggle} title={label}>
      <Icon name={icon} size={14} /><span>{label}</span>
    </button>
  )
}
