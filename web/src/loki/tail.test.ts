import { expect, it } from 'vitest'
import { identityOf, nextSeq } from './entry.ts'
import { Kinds } from './tail.ts'

it('sorts the labels of a live line as a query would', () => {
  const asked = { seq: nextSeq(), ts: '1', line: 'x', labels: { job: 'ray/logs', env: 'prod' }, meta: { pid: '7', color: 'blue' }, parsed: {} }
  const live = { ...asked, labels: { job: 'ray/logs', env: 'prod', pid: '7', color: 'blue', loss: '0.2' }, meta: {} }
  const sorted = new Kinds([asked], true).sort(live)
  expect(sorted).toMatchObject({ labels: asked.labels, meta: asked.meta, parsed: { loss: '0.2' } })
  expect(identityOf(sorted)).toBe(identityOf(asked))
})
