// What stands where the lines would be: while loading, after an error, and
// when there is nothing, which is when a reader most needs a way on.

import { zone } from '../../app/settings.ts'
import { withoutLastCondition } from '../../logql/edit.ts'
import { millisOf } from '../../loki/entry.ts'
import { describeAge, describeRange, formatDateTime } from '../../time/range.ts'
import { Copy } from '../../ui/Copy.tsx'
import { Icon } from '../../ui/Icon.tsx'
import type { LogsModel } from './model.ts'

export function Loading() {
  return (
    <div class="skeleton" role="status" aria-label="Loading lines">
      {Array.from({ length: 18 }, (_, i) => <span key={i} class={`bone bone-${(i * 7) % 5}`} />)}
    </div>
  )
}

export function Failed({ model }: { model: LogsModel }) {
  const f = model.failure.value
  if (!f) return null
  const title = f.status === 0 ? 'The server is away' : f.status === 401 || f.status === 403 ? 'The server does not let us in' : f.status < 500 ? 'The query does not work' : 'The server had a problem'
  return (
    <div class="state" role="alert">
      <Icon name="warn" size={28} />
      <h2>{title}</h2>
      <pre class="server-says">{f.message}</pre>
      {f.status === 401 || f.status === 403
        ? <p class="hint">Tenant and token are in the settings, at the top right.</p>
        : <button type="button" class="button" onClick={() => void model.run(model.view.value.query)}>Try again</button>}
    </div>
  )
}

export function Empty({ model }: { model: LogsModel }) {
  const nothing = model.nothing.value
  const view = model.view.value
  if (nothing?.bare) return <Bare model={model} />
  const fewer = withoutLastCondition(view.query)
  const newest = nothing?.newest
  const ms = newest ? millisOf(newest.ts) : 0
  return (
    <div class="state">
      <Icon name="search" size={28} />
      <h2>{view.live ? 'No line yet' : 'No lines here'}</h2>
      <p>Nothing matches in “{describeRange(view.range, Date.now(), zone.value)}”.{view.live ? ' New ones appear as they arrive.' : ''}</p>
      {newest && (
        <button type="button" class="button primary" onClick={() => void model.zoom({ start: ms - 3_300_000, end: ms + 300_000 })}>
          Go to the newest match, {describeAge(ms, Date.now())}
        </button>
      )}
      {newest && <p class="hint">{formatDateTime(ms, zone.value)}</p>}
      {nothing && !newest && <p class="hint">Nothing matches in the last 30 days either.</p>}
      {fewer !== undefined && (
        <button type="button" class="button" onClick={() => void model.go({ query: fewer })}>
          Try <code>{fewer}</code>
        </button>
      )}
    </div>
  )
}

/** A server that has no logs yet: how to send it some. */
function Bare({ model }: { model: LogsModel }) {
  const command = `remora-agent --ray-root /tmp/ray --url ${location.origin} --state /var/lib/remora-agent --cluster NAME`
  return (
    <div class="state">
      <Icon name="remora" size={34} />
      <h2>No Ray logs have arrived yet</h2>
      <p>Start the agent on a machine that runs Ray:</p>
      <div class="command"><code>{command}</code><Copy text={() => command} what="command" /></div>
      <p>Or load a session that has ended: <code>remora import PATH</code></p>
      {model.view.value.live
        ? <p class="hint">This page shows the first line when it comes.</p>
        : <button type="button" class="button primary" onClick={() => void model.setLive(true)}>Wait for the first line</button>}
    </div>
  )
}
