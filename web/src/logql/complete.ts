// What may come next in a query. Where the cursor stands is told by the text
// before it, which holds also while the query is still broken.

import type { Completion, CompletionContext, CompletionResult } from '@codemirror/autocomplete'
import { quote, quoteRegex, selectorWithout } from './edit.ts'

/** Where names and values come from. */
export interface Vocabulary {
  labels(): Promise<readonly string[]>
  values(label: string, selector: string | undefined): Promise<readonly string[]>
  /** Structured metadata of the lines at hand. */
  metadata(): readonly string[]
  metadataValues(name: string, selector: string | undefined): Promise<readonly string[]>
}

export type Place =
  | { readonly kind: 'start'; readonly from: number }
  | { readonly kind: 'label'; readonly from: number }
  | { readonly kind: 'grouping'; readonly from: number }
  | { readonly kind: 'value'; readonly from: number; readonly label: string; readonly regex: boolean; readonly quoted: string; readonly inSelector: boolean }
  | { readonly kind: 'stage'; readonly from: number }
  | { readonly kind: 'pipe'; readonly from: number }
  | { readonly kind: 'range'; readonly from: number }
  | undefined

/** Brackets and strings that are open at the end of the text. */
function openings(text: string): { stack: { char: string; at: number }[]; string: { quote: string; at: number } | undefined } {
  const stack: { char: string; at: number }[] = []
  let string: { quote: string; at: number } | undefined
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? ''
    if (string) {
      if (c === '\\' && string.quote === '"') i++
      else if (c === string.quote) string = undefined
    } else if (c === '"' || c === '`') string = { quote: c, at: i }
    else if (c === '#') while (i + 1 < text.length && text[i + 1] !== '\n') i++
    else if ('{[('.includes(c)) stack.push({ char: c, at: i })
    else if ('}])'.includes(c)) stack.pop()
  }
  return { stack, string }
}

export function placeOf(query: string, pos: number): Place {
  const text = query.slice(0, pos)
  const { stack, string } = openings(text)
  const inside = stack.at(-1)
  const inSelector = inside?.char === '{'
  const word = /[A-Za-z_][A-Za-z0-9_]*$/.exec(text)
  const from = word ? pos - word[0].length : pos

  const head = string ? text.slice(0, string.at) : text
  const matcher = /([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*$/.exec(head)
  if (matcher && (inSelector || /\|[^|]*$/.test(head))) {
    const regex = matcher[2]?.endsWith('~') ?? false
    let start = string ? string.at + 1 : pos
    if (regex && string) start = Math.max(start, text.lastIndexOf('|') + 1)
    return { kind: 'value', from: start, label: matcher[1] ?? '', regex, quoted: string?.quote ?? '', inSelector }
  }
  if (string) return undefined
  if (inSelector) return /[{,]\s*\w*$/.test(text) ? { kind: 'label', from } : undefined
  if (inside?.char === '[') return { kind: 'range', from: inside.at + 1 }
  if (inside?.char === '(' && /\b(by|without|on|ignoring)\s*$/.test(text.slice(0, inside.at))) return { kind: 'grouping', from }
  if (/\|\s*\w*$/.test(text)) return { kind: 'stage', from }
  if (/[}"`)\]]\s*$/.test(text)) return { kind: 'pipe', from: pos }
  if (/(^|[(,+\-*/%^]|\b(?:or|and|unless))\s*\w*$/.test(text)) return { kind: 'start', from }
  return undefined
}

const option = (label: string, type: string, detail?: string, apply?: string): Completion => ({
  label, type, ...(detail ? { detail } : {}), ...(apply ? { apply } : {}),
})

const STAGES = [
  option('json', 'keyword', 'labels from JSON'),
  option('logfmt', 'keyword', 'labels from key=value'),
  option('pattern', 'keyword', 'labels by a pattern', 'pattern "<_>"'),
  option('regexp', 'keyword', 'labels by an expression', 'regexp "(?P<name>)"'),
  option('line_format', 'keyword', 'write the line anew', 'line_format "{{.}}"'),
  option('label_format', 'keyword', 'rename or write labels'),
  option('decolorize', 'keyword', 'without colours'),
  option('drop', 'keyword', 'without these labels'),
  option('keep', 'keyword', 'only these labels'),
  option('unwrap', 'keyword', 'a label as number'),
]

const FILTERS = [
  option('|=', 'operator', 'line holds', ' |= "'),
  option('!=', 'operator', 'line does not hold', ' != "'),
  option('|~', 'operator', 'line matches', ' |~ "'),
  option('!~', 'operator', 'line does not match', ' !~ "'),
  option('|', 'operator', 'parse or filter', ' | '),
]

const RANGE_FUNCTIONS = ['count_over_time', 'rate', 'bytes_over_time', 'bytes_rate', 'sum_over_time', 'avg_over_time', 'max_over_time', 'min_over_time', 'quantile_over_time']
const AGGREGATIONS = ['sum', 'count', 'avg', 'max', 'min', 'topk', 'bottomk', 'sort', 'sort_desc']

const STARTS = [
  option('{', 'operator', 'select streams', '{job="ray/logs"'),
  ...RANGE_FUNCTIONS.map((f) => option(f, 'function', 'over time', `${f}({job="ray/logs"}[5m])`)),
  ...AGGREGATIONS.map((f) => option(f, 'function', 'of series')),
]

const RANGES = ['1m', '5m', '15m', '1h', '6h', '1d'].map((r) => option(r, 'constant'))

export function completion(vocabulary: Vocabulary) {
  return async (context: CompletionContext): Promise<CompletionResult | null> => {
    const query = context.state.doc.toString()
    const place = placeOf(query, context.pos)
    if (!place) return null
    if (!context.explicit && place.kind === 'pipe') return null
    if (!context.explicit && place.kind === 'start' && place.from === context.pos && query.trim() !== '') return null
    const options = await optionsAt(place, query, context.pos, vocabulary)
    if (options.length === 0) return null
    return { from: place.from, options, ...(place.kind === 'value' ? { validFor: /^[^"`|]*$/ } : { validFor: /^\w*$/ }) }
  }
}

async function optionsAt(place: NonNullable<Place>, query: string, pos: number, v: Vocabulary): Promise<Completion[]> {
  switch (place.kind) {
    case 'start': return STARTS
    case 'pipe': return FILTERS
    case 'range': return RANGES
    case 'label': return (await v.labels()).map((l) => option(l, 'property', undefined, `${l}="`))
    case 'grouping': return [...new Set([...await v.labels(), ...v.metadata()])].map((l) => option(l, 'property'))
    case 'stage': return [...v.metadata().map((m) => option(m, 'property', 'metadata', `${m}="`)), ...STAGES]
    case 'value': {
      const selector = selectorWithout(query, place.inSelector ? place.label : '')
      const values = place.inSelector ? await v.values(place.label, selector) : await v.metadataValues(place.label, selector)
      const closed = query[pos] === place.quoted && place.quoted !== ''
      return values.map((value) => option(value, 'text', undefined, valueText(place, value, closed)))
    }
  }
}

/** The value in the quotes that are open, or in its own. */
function valueText(place: { regex: boolean; quoted: string }, value: string, closed: boolean): string {
  const text = place.regex ? quoteRegex(value) : value
  if (place.quoted === '') return quote(text)
  const body = place.quoted === '"' ? JSON.stringify(text).slice(1, -1) : text
  return closed ? body : body + place.quoted
}
