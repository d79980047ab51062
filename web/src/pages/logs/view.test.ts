import { expect, it } from 'vitest'
import { decodeView, encodeView, type View } from './view.ts'

it('comes back from the address bar as it was', () => {
  const view: View = {
    query: '{job="ray/logs"} |= "a&b=c #%"', range: { from: '2026-11-20T02:00:00.000Z', to: 'now' }, live: true, newestFirst: true, wrap: true,
    at: '1700000000123456789-abc12', tenant: 'team-a',
  }
  expect(decodeView(new URL(encodeView(view), 'http://x').searchParams)).toEqual(view)
})

it('begins with every Ray line of the last hour', () => {
  expect(decodeView(new URLSearchParams())).toMatchObject({ query: '{job="ray/logs"}', range: { from: 'now-1h', to: 'now' }, live: false, at: undefined })
})
