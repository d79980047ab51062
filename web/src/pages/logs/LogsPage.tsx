import { useSignal } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { address } from '../../app/router.ts'
import { narrow, panelOpen, setPanel, tenant, token, zone } from '../../app/settings.ts'
import { Icon } from '../../ui/Icon.tsx'
import { Facets } from './Facets.tsx'
import { HistogramView } from './HistogramView.tsx'
import { Keys } from './Keys.tsx'
import { Lines } from './Lines.tsx'
import { LogsModel } from './model.ts'
import { QueryBar } from './QueryBar.tsx'
import { SeriesView } from './SeriesView.tsx'
import { Empty, Failed, Loading } from './States.tsx'
import { Toolbar } from './Toolbar.tsx'
import { encodeView } from './view.ts'

export function LogsPage() {
  const model = useMemo(() => new LogsModel(), [])
  const focusQuery = useRef<() => void>(() => undefined)
  const help = useSignal(false)

  // The address bar is the view: going back, a link, and a reload all come through here.
  const url = address.value
  const begun = useRef(false)
  useEffect(() => {
    // The page changes view and address together; effects run later, so both are read now.
    const now = address.peek()
    if (begun.current && `${now.pathname}${now.search}` === encodeView(model.view.peek())) return
    const opening = !begun.current
    begun.current = true
    void model.restore(now.searchParams, opening)
  }, [url])
  useEffect(() => () => { model.close() }, [model])

  // Another tenant has other logs.
  const who = `${tenant.value}\n${token.value}\n${zone.value}`
  const was = useRef(who)
  useEffect(() => {
    if (was.current === who) return
    was.current = who
    if (model.view.peek().tenant !== tenant.peek() || model.failure.peek()) void model.go({ tenant: tenant.peek() })
  }, [who])

  useEffect(() => {
    const key = (e: KeyboardEvent): void => {
      const typing = e.composedPath().some((t) => t instanceof HTMLElement && (t.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(t.tagName)))
      if (typing || e.ctrlKey || e.metaKey || e.altKey) return
      const actions: Record<string, () => void> = {
        '/': () => { focusQuery.current() }, l: () => void model.setLive(!model.view.value.live),
        e: () => void model.toGrave('next'), E: () => void model.toGrave('previous'), Escape: () => { if (narrow.value) setPanel(false) }, '?': () => { help.value = !help.value },
      }
      const action = actions[e.key]
      if (!action) return
      e.preventDefault()
      action()
    }
    document.addEventListener('keydown', key)
    return () => { document.removeEventListener('keydown', key) }
  }, [model])

  const query = model.view.value.query
  const filters = panelOpen.value && model.kind.value !== 'metric'
  useEffect(() => { document.title = `${query} · Remora` }, [query])

  return (
    <main class="logs">
      <h1 class="offscreen">Logs</h1>
      <QueryBar model={model} onFocus={(f) => { focusQuery.current = f }} />
      <div class="logs-body">
        {filters && narrow.value && <div class="backdrop" onClick={() => { setPanel(false) }} />}
        {filters && <Facets model={model} />}
        <div class="logs-main"><Content model={model} /></div>
      </div>
      {help.value && <Keys close={() => { help.value = false }} />}
    </main>
  )
}

function Content({ model }: { model: LogsModel }) {
  void model.rows.value
  const series = model.series.value
  if (model.status.value === 'failed') return <Failed model={model} />
  if (series && model.status.value === 'ready') return <SeriesView series={series} span={model.span.value} />
  return (
    <>
      <HistogramView model={model} />
      <Toolbar model={model} />
      <Notice model={model} />
      <div class="logs-content"><Inside model={model} /></div>
    </>
  )
}

function Inside({ model }: { model: LogsModel }) {
  if (model.status.value === 'loading') return <Loading />
  if (model.pager.rows.length > 0) return <Lines model={model} />
  return model.nothing.value ? <Empty model={model} /> : <Loading />
}

function Notice({ model }: { model: LogsModel }) {
  const crowded = model.pager.crowded.length
  const text = model.notice.value || (crowded > 0 ? 'More than 5,000 lines have the very same time stamp; some of them are not shown. Narrow the query to see them.' : '')
  if (!text) return null
  return (
    <div class="notice" role="status">
      <span>{text}</span>
      {model.notice.value && <button type="button" class="tiny" aria-label="Dismiss" onClick={() => { model.notice.value = '' }}><Icon name="close" size={12} /></button>}
    </div>
  )
}
