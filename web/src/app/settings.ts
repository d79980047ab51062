// What the reader chose about the page itself; kept in this browser.

import { computed, effect, signal, type Signal } from '@preact/signals'
import { Client } from '../loki/client.ts'
import type { Zone } from '../time/range.ts'

export type Theme = 'auto' | 'light' | 'dark'

function kept<T extends string>(name: string, initial: T, allowed?: readonly T[], storage = (): Storage => localStorage): Signal<T> {
  const key = `remora.${name}`
  let value = initial
  try {
    const stored = storage().getItem(key) as T | null
    if (stored !== null && (!allowed || allowed.includes(stored))) value = stored
  } catch { /* a browser may forbid storage: the choice lasts for this page */ }
  const s = signal(value)
  effect(() => {
    try {
      if (s.value === initial) storage().removeItem(key)
      else storage().setItem(key, s.value)
    } catch { /* as above */ }
  })
  return s
}

export const theme = kept<Theme>('theme', 'auto', ['auto', 'light', 'dark'])
export const zone = kept<Zone>('zone', 'local', ['local', 'utc'])
export const tenant = kept<string>('tenant', '')
/** A secret: it goes when the tab is closed. */
export const token = kept<string>('token', '', undefined, () => sessionStorage)

const panelChoice = kept<'open' | 'closed'>('panel', 'open', ['open', 'closed'])
/** On a narrow screen the panel covers the page, so there it opens only when asked. */
const drawer = signal(false)

function mediaSignal(query: string): Signal<boolean> {
  const list = matchMedia(query)
  const s = signal(list.matches)
  list.addEventListener('change', (e) => { s.value = e.matches })
  return s
}

export const narrow = mediaSignal('(max-width: 900px)')
export const panelOpen = computed(() => (narrow.value ? drawer.value : panelChoice.value === 'open'))

export function setPanel(open: boolean): void {
  if (narrow.value) drawer.value = open
  else panelChoice.value = open ? 'open' : 'closed'
}

export const client = computed(() => new Client(tenant.value, token.value))

const systemDark = mediaSignal('(prefers-color-scheme: dark)')

export const dark = computed(() => (theme.value === 'auto' ? systemDark.value : theme.value === 'dark'))

effect(() => {
  document.documentElement.dataset.theme = theme.value
})
