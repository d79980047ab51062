import { useMemo, useRef } from 'preact/hooks'
import { Editor } from '../../logql/Editor.tsx'
import { Icon } from '../../ui/Icon.tsx'
import type { LogsModel } from './model.ts'
import { RangePicker } from './RangePicker.tsx'
import { vocabularyOf } from './vocabulary.ts'

export function QueryBar({ model, onFocus }: { model: LogsModel; onFocus: (focus: () => void) => void }) {
  const vocabulary = useMemo(() => vocabularyOf(model), [model])
  const ready = useRef(onFocus)
  const failure = model.failure.value
  const view = model.view.value
  const changed = model.draft.value !== view.query
  return (
    <div class="query-bar">
      <div class={`query-box${failure?.status === 400 ? ' wrong' : ''}`}>
        <Editor text={model.draft} vocabulary={vocabulary} errorAt={failure && !changed ? failure.at : undefined}
          onRun={(text) => void model.run(text)} onReady={ready.current} />
        <button type="button" class={`run${changed ? ' changed' : ''}`} title="Run (Enter)" aria-label="Run query" onClick={() => void model.run()}>
          <Icon name="play" size={14} />
        </button>
      </div>
      <div class="query-tools">
        <RangePicker model={model} />
        <LiveButton model={model} />
      </div>
    </div>
  )
}

function LiveButton({ model }: { model: LogsModel }) {
  const on = model.view.value.live
  const state = model.live.value
  const title = !on ? 'Show lines as they arrive (l)' : state === 'waiting' ? 'The server is away; trying again' : 'Stop live mode (l)'
  return (
    <button type="button" class={`button live-button live-${on ? state : 'off'}`} aria-pressed={on} title={title} disabled={model.kind.value === 'metric'}
      onClick={() => void model.setLive(!on)}>
      <span class="live-dot" aria-hidden="true" />
      {on && state === 'waiting' ? 'Reconnecting' : 'Live'}
    </button>
  )
}
