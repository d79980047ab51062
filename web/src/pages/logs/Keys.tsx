import { useEffect, useRef } from 'preact/hooks'

const KEYS: readonly (readonly [string, string])[] = [
  ['/', 'Edit the query'], ['Enter', 'Run it; Shift+Enter for a new line'], ['Esc', 'Leave the query'],
  ['↑ ↓ or k j', 'Move among lines'], ['Enter or Space', 'Open or close a line'], ['Home End', 'Ends of the range'], ['c', 'Copy the line'],
  ['e, Shift+E', 'Next and previous error'], ['l', 'Live mode'], ['?', 'This help'],
]

export function Keys({ close }: { close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => { dialog.current?.showModal() }, [])
  return (
    <dialog class="keys" ref={dialog} onClose={close} aria-label="Keys">
      <h2>Keys</h2>
      <dl>
        {KEYS.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}
      </dl>
      <form method="dialog"><button type="submit" class="button">Close</button></form>
    </dialog>
  )
}
