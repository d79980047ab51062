import { describe, expect, it } from 'vitest'
import type { Direction } from '../loki/client.ts'
import { compareTs, type Entry, identityOf, nextSeq } from '../loki/entry.ts'
import { Pager } from './pager.ts'

const line = (ts: number, text: string): Entry => ({ seq: nextSeq(), ts: String(ts), line: text, labels: { job: 'ray/logs' }, meta: {}, parsed: {} })

/** A server that gives the lines nearest to the end it is asked from. */
function server(all: Entry[]) {
  let asked = 0
  return {
    asked: () => asked,
    fetch: (start: string, end: string, limit: number, direction: Direction): Promise<Entry[]> => {
      asked++
      const hits = all.filter((e) => compareTs(e.ts, start) >= 0 && compareTs(e.ts, end) < 0)
      return Promise.resolve(direction === 'backward' ? hits.slice(-limit) : hits.slice(0, limit))
    },
  }
}

const texts = (p: Pager): string[] => p.rows.map((e) => e.line)

/** Lines in bursts of equal time, so that pages end inside bursts. */
function bursts(n: number, burst: number): Entry[] {
  return Array.from({ length: n }, (_, i) => line(1000 + Math.floor(i / burst), `n=${i}`))
}

describe('Pager', () => {
  it.each([1, 7, 999, 1001])('gives every line once, in order, from the end, with bursts of %i', async (burst) => {
    const all = bursts(23_456, burst)
    const p = new Pager(server(all).fetch, '0', '9999999')
    await p.openAtEnd()
    while (p.hasOlder) await p.loadOlder()
    expect(texts(p)).toEqual(all.map((e) => e.line))
    expect(p.crowded).toEqual([])
  })

  it.each([1, 7, 1001])('gives every line once, in order, from the start, with bursts of %i', async (burst) => {
    const all = bursts(12_345, burst)
    const p = new Pager(server(all).fetch, '0', '9999999')
    await p.openAtStart()
    while (p.hasNewer) await p.loadNewer()
    expect(texts(p)).toEqual(all.map((e) => e.line))
  })

  it('grows both ways from a line', async () => {
    const all = bursts(20_000, 3)
    const wanted = all[9_001] as Entry
    const p = new Pager(server(all).fetch, '0', '9999999')
    expect((await p.openAround(identityOf(wanted)))?.line).toBe('n=9001')
    while (p.hasOlder || p.hasNewer) await Promise.all([p.loadOlder(), p.loadNewer()])
    expect(texts(p)).toEqual(all.map((e) => e.line))
  })

  it('opens at the end when the line lies outside the range', async () => {
    const p = new Pager(server(bursts(10, 1)).fetch, '0', '9999999')
    expect(await p.openAround('99999999999-abc')).toBeUndefined()
    expect(p.rows).toHaveLength(10)
  })

  it('says so when one time stamp holds more lines than a server gives', async () => {
    const all = bursts(6_000, 6_000)
    const p = new Pager(server(all).fetch, '0', '9999999')
    await p.openAtEnd()
    while (p.hasOlder) await p.loadOlder()
    expect(p.rows).toHaveLength(5000)
    expect(p.crowded).toEqual(['1000'])
  })

  it('puts late live lines where they belong and lets old ones go', async () => {
    const s = server(bursts(5, 1))
    const p = new Pager(s.fetch, '0', '9999999')
    await p.openAtEnd()
    p.append([line(1010, 'b'), line(1008, 'a')], 6)
    expect(texts(p)).toEqual(['n=1', 'n=2', 'n=3', 'n=4', 'a', 'b'])
    expect(p.hasOlder).toBe(true)
    await p.loadOlder()
    expect(texts(p)[0]).toBe('n=0')
  })

  it('asks for few pages', async () => {
    const s = server(bursts(100_000, 4))
    const p = new Pager(s.fetch, '0', '9999999')
    await p.openAtEnd()
    while (p.hasOlder) await p.loadOlder()
    expect(p.rows).toHaveLength(100_000)
    expect(s.asked()).toBeLessThanOrEqual(22)
  })
})
