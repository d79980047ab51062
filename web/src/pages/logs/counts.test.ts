import { expect, it } from 'vitest'
import { formatCount, histogramOf } from './counts.ts'

it('puts each point into the step before it', () => {
  const h = histogramOf([
    { metric: { detected_level: 'info' }, points: [[110, 2], [130, 5]] },
    { metric: { detected_level: 'WARNING' }, points: [[120, 1]] },
    { metric: {}, points: [[120, 3], [999, 7]] },
  ], 100, 3, 10)
  expect(h.starts).toEqual([100, 110, 120])
  expect([...h.counts]).toEqual([['warn', [0, 1, 0]], ['info', [2, 0, 5]], ['none', [0, 3, 0]]])
  expect(h.total).toBe(11)
})

it('writes counts short', () => {
  expect([7, 9999, 10000, 12345, 123456, 1234567].map(formatCount)).toEqual(['7', '9,999', '10k', '12.3k', '123k', '1.2M'])
})
