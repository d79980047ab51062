import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { Icon, type IconName } from './Icon.tsx'

/** Clipboards need a secure page; on plain HTTP the old way still works. */
export async function copyText(text: string): Promise<void> {
  if (isSecureContext) {
    await navigator.clipboard.writeText(text)
    return
  }
  const area = document.createElement('textarea')
  area.value = text
  area.className = 'offscreen'
  document.body.append(area)
  area.select()
  document.execCommand('copy')
  area.remove()
}

interface Props {
  readonly text: () => string
  /** What is copied, for the accessible name: "Copy node_id". */
  readonly what: string
  readonly label?: string
  readonly icon?: IconName
}

export function Copy({ text, what, label, icon = 'copy' }: Props) {
  const done = useSignal(false)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  const copy = (): void => {
    void copyText(text()).then(() => {
      done.value = true
      timer.current = setTimeout(() => { done.value = false }, 1500)
    })
  }
  return (
    <button type="button" class={label ? 'small' : 'tiny'} aria-label={label ? undefined : `Copy ${what}`} title={`Copy ${what}`} onClick={copy}>
      <Icon name={done.value ? 'check' : icon} size={label ? 14 : 13} />
      {label && <span>{done.value ? 'Copied' : label}</span>}
    </button>
  )
}
