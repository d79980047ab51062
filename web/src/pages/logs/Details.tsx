import type { ComponentChildren } from 'preact'
import { shortId } from '../../lines/source.ts'
import { plainText } from '../../lines/text.ts'
import { filtersOn, excludeFilter } from '../../logql/edit.ts'
import { type Entry, type Labels, millisOf } from '../../loki/entry.ts'
import { describeAge, formatDateTime, type Zone } from '../../time/range.ts'
import { Copy } from '../../ui/Copy.tsx'
import { Icon } from '../../ui/Icon.tsx'
import type { LogsModel } from './model.ts'

/** What a reader asks first stands first; the rest follows by name. */
const FIRST = [
  'detected_level', 'RayCluster', 'namespace', 'component', 'job_id', 'submission_id', 'task_name', 'task_id', 'attempt', 'actor_name', 'actor_id',
  'application', 'deployment', 'replica', 'request_id', 'pid', 'worker_id', 'node_type', 'node_ip', 'node_id', 'pod', 'container', 'group', 'owner',
  'session', 'filename', 'stream', 'offset', 'entry',
]

const rank = (name: string): number => {
  const i = FIRST.indexOf(name)
  return i < 0 ? FIRST.length : i
}

/** The same on every line of Ray, so it tells nothing. */
const DULL = new Set(['job', 'service_name'])

interface Field {
  readonly name: string
  readonly value: string
  readonly inStream: boolean
}

function fieldsOf(e: Entry): Field[] {
  const of = (set: Labels, inStream: boolean): Field[] => Object.entries(set).map(([name, value]) => ({ name, value, inStream }))
  return [...of(e.labels, true).filter((f) => !DULL.has(f.name) || f.value.indexOf('ray') < 0), ...of(e.meta, false), ...of(e.parsed, false)]
    .sort((a, b) => rank(a.name) - rank(b.name) || a.name.localeCompare(b.name))
}

export function Details({ model, entry, zone, children }: { model: LogsModel; entry: Entry; zone: Zone; children: ComponentChildren }) {
  const ms = millisOf(entry.ts)
  return (
    <div class="details" role="gridcell">
      {children}
      <div class="actions">
        <Copy text={() => plainText(entry.line)} what="line" label="Copy line" />
        <Copy text={() => JSON.stringify({ timestamp: entry.ts, line: entry.line, labels: entry.labels, metadata: entry.meta })} what="line as JSON" label="Copy as JSON" />
        <Copy text={() => model.linkTo(entry)} what="link to this line" label="Copy link" icon="link" />
        {entry.meta.filename && (
          <button type="button" class="small" title="The lines around this one in its own file" onClick={() => void model.showInFile(entry)}>
            <Icon name="file" size={14} /><span>Show in file</span>
          </button>
        )}
        <span class="when" title={`${entry.ts} ns`}>{formatDateTime(ms, zone, true)} · {describeAge(ms, Date.now())}</span>
      </div>
      <ul class="fields" aria-label="Metadata">
        {fieldsOf(entry).map((f) => <FieldRow key={`${f.inStream ? 's' : 'm'}${f.name}`} model={model} field={f} />)}
      </ul>
    </div>
  )
}

function FieldRow({ model, field }: { model: LogsModel; field: Field }) {
  const { name, value, inStream } = field
  const active = filtersOn(model.view.value.query, name).wanted.includes(value)
  return (
    <li class="field">
      <span class="name">{name}</span>
      <button type="button" class={`value${active ? ' active' : ''}`} title={`${active ? 'Stop filtering' : 'Filter'} by ${name} = ${value}`} aria-pressed={active}
        onClick={() => void model.filter(name, value, inStream)}>
        {shortId(value)}
      </button>
      <span class="field-tools">
        <button type="button" class="tiny" aria-label={`Leave out ${name} ${shortId(value)}`} title={`Leave out ${name} = ${value}`}
          onClick={() => void model.edit((q) => excludeFilter(q, name, value, inStream))}>
          <Icon name="minus" size={13} />
        </button>
        <Copy text={() => value} what={name} />
      </span>
    </li>
  )
}
