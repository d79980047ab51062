import type { Signal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'

interface Props {
  readonly open: Signal<boolean>
  readonly label: string
  readonly button: ComponentChildren
  readonly children: ComponentChildren
  readonly align?: 'start' | 'end'
  readonly buttonClass?: string
}

/** A button and a small dialog below it, which Escape or a click elsewhere closes. */
export function Popover({ open, label, button, children, align = 'start', buttonClass = 'icon-button' }: Props) {
  const root = useRef<HTMLDivElement>(null)
  const trigger = useRef<HTMLButtonElement>(null)
  const isOpen = open.value
  useEffect(() => {
    if (!isOpen) return
    const outside = (e: Event): void => {
      if (e.target instanceof Node && !root.current?.contains(e.target)) open.value = false
    }
    const escape = (e: KeyboardEvent): void => {
      if (e.key !== 'Escape') return
      open.value = false
      trigger.current?.focus()
    }
    document.addEventListener('pointerdown', outside)
    document.addEventListener('keydown', escape)
    root.current?.querySelector<HTMLElement>('.popover input, .popover button')?.focus()
    return () => {
      document.removeEventListener('pointerdown', outside)
      document.removeEventListener('keydown', escape)
    }
  }, [isOpen, open])
  return (
    <div class="popover-root" ref={root}>
      <button ref={trigger} type="button" class={buttonClass} aria-haspopup="dialog" aria-expanded={isOpen} aria-label={label} title={label}
        onClick={() => { open.value = !open.value }}>
        {button}
      </button>
      {isOpen && <div class={`popover popover-${align}`} role="dialog" aria-label={label}>{children}</div>}
    </div>
  )
}
