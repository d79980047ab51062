// Names and values that complete a query, asked of the server and kept briefly.

import { client } from '../../app/settings.ts'
import type { Vocabulary } from '../../logql/complete.ts'
import { DEFAULT_QUERY } from '../../logql/edit.ts'
import { nanosOf } from '../../loki/entry.ts'
import { METADATA } from '../../loki/names.ts'
import type { LogsModel } from './model.ts'

const KEPT = 30_000

export function vocabularyOf(model: LogsModel): Vocabulary {
  const cache = new Map<string, { at: number; answer: Promise<readonly string[]> }>()
  const once = (key: string, ask: () => Promise<readonly string[]>): Promise<readonly string[]> => {
    const full = `${client.value.tenant}\n${key}`
    const hit = cache.get(full)
    if (hit && Date.now() - hit.at < KEPT) return hit.answer
    const answer = ask().catch(() => {
      cache.delete(full)
      return []
    })
    cache.set(full, { at: Date.now(), answer })
    return answer
  }
  const span = (): [string, string] => [nanosOf(model.span.value.start), nanosOf(model.span.value.end)]
  return {
    labels: () => once('labels', () => client.value.labels(...span())),
    values: (label, selector) => once(`${label}\n${selector ?? ''}`, () => client.value.labelValues(label, selector, ...span())),
    metadata: () => {
      const seen = new Set(METADATA)
      for (const e of model.pager.rows.slice(-200)) for (const set of [e.meta, e.parsed]) for (const k of Object.keys(set)) seen.add(k)
      return [...seen].sort()
    },
    metadataValues: (name, selector) => once(`meta ${name}\n${selector ?? ''}`, () => countedValues(model, name, selector ?? DEFAULT_QUERY)),
  }
}

async function countedValues(model: LogsModel, name: string, selector: string): Promise<readonly string[]> {
  const { start, end } = model.span.value
  const seconds = Math.max(1, Math.ceil((end - start) / 1000))
  const series = await client.value.instant(`topk(50, sum by (${name}) (count_over_time(${selector}[${seconds}s])))`, nanosOf(end))
  return series.map((s) => s.metric[name] ?? '').filter((v) => v !== '')
}
