import { expect, it } from 'vitest'
import type { Labels } from '../loki/entry.ts'
import { shortId, shortValue, sourceOf } from './source.ts'

const hex = '3f9a1c2e'.repeat(7)
const source = (meta: Labels): string => sourceOf({ seq: 1, ts: '1', line: '', labels: {}, meta, parsed: {} })

it('names who wrote a line', () => {
  expect(source({ actor_name: 'Trainer', pid: '42', filename: 'x' })).toBe('Trainer · 42')
  expect(source({ pid: '42', filename: `worker-${hex}-01000000-42.out` })).toBe('pid 42')
  expect(source({ filename: 'raylet.out' })).toBe('raylet.out')
  expect(source({ filename: 'serve/replica_a.log', deployment: 'Api' })).toBe('Api')
  expect(source({})).toBe('')
})

it('shortens ids only', () => {
  expect(shortId(hex)).toBe('3f9a1c2e…')
  expect(shortId('01000000')).toBe('01000000')
  expect(shortValue('session', 'session_2026-11-21_09-12-44_123456_1')).toBe('2026-11-21 09:12:44')
  expect(shortValue('filename', `worker-${hex}-01000000-42.out`)).toBe('worker-3f9a1c2e…-01000000-42.out')
})
