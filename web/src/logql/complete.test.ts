import { expect, it } from 'vitest'
import { placeOf } from './complete.ts'

// `~` stands for the cursor.
it.each([
  ['~', 'start'], ['su~', 'start'], ['sum(~', 'start'], ['{~', 'label'], ['{job="ray/logs", comp~', 'label'], ['{job="ray/logs" ~', undefined],
  ['{job=~', 'value'], ['{job="~', 'value'], ['{job="ray/logs"} | detected_level="~', 'value'], ['{a="b"} |= "some ~', undefined],
  ['{a="b"}~', 'pipe'], ['{a="b"} | ~', 'stage'], ['{a="b"} | js~', 'stage'], ['rate({a="b"}[~', 'range'],
  ['sum by (~', 'grouping'], ['sum by (a, b~', 'grouping'], ['{a="b"} # {~', undefined],
])('%s asks for %s', (text, kind) => {
  const pos = text.lastIndexOf('~')
  expect(placeOf(text.slice(0, pos) + text.slice(pos + 1), pos)?.kind).toBe(kind)
})

it('completes the last alternative of an expression', () => {
  const text = '{component=~"gcs|ray'
  expect(placeOf(text, text.length)).toMatchObject({ kind: 'value', label: 'component', regex: true, from: text.indexOf('ray') })
})
