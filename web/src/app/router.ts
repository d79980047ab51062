// The address bar and the pages behind it.

import { signal } from '@preact/signals'
import type { ComponentType } from 'preact'

export interface Page {
  /** Path of the address, `/` for the first page. */
  readonly path: string
  readonly name: string
  readonly View: ComponentType
}

export const address = signal(new URL(location.href))

addEventListener('popstate', () => { address.value = new URL(location.href) })

/** Changes the address without leaving the page. A small change replaces the last one. */
export function navigate(to: string, options: { replace?: boolean } = {}): void {
  const next = new URL(to, location.href)
  if (next.href === location.href) return
  if (options.replace) history.replaceState(null, '', next)
  else history.pushState(null, '', next)
  address.value = next
}

export function pageAt(pages: readonly Page[], path: string): Page | undefined {
  const clean = path.replace(/\/+$/, '') || '/'
  return pages.find((p) => p.path === clean)
}
