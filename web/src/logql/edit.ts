// Reading and changing the text of a query by its syntax tree, so that a click
// edits what the user wrote and leaves the rest of it alone.

import type { SyntaxNode, Tree } from '@lezer/common'
import * as t from '@grafana/lezer-logql'
import { STREAM_LABELS } from '../loki/names.ts'

export type Kind = 'logs' | 'metric' | 'broken'

export const DEFAULT_QUERY = '{job="ray/logs"}'

export const GRAVE = 'error|critical|fatal'

const parse = (query: string): Tree => t.parser.parse(query)

function* nodes(tree: Tree, ...ids: number[]): Generator<SyntaxNode> {
  const cursor = tree.cursor()
  do if (ids.includes(cursor.type.id)) yield cursor.node
  while (cursor.next())
}

function firstSelector(query: string): SyntaxNode | undefined {
  for (const n of nodes(parse(query), t.Selector)) return n
  return undefined
}

const textOf = (query: string, n: SyntaxNode | null | undefined): string => (n ? query.slice(n.from, n.to) : '')

export function kindOf(query: string): Kind {
  const tree = parse(query)
  let broken = false
  tree.iterate({ enter: (n) => { if (n.type.isError) broken = true } })
  if (broken) return 'broken'
  const top = tree.topNode.getChild(t.Expr)
  return top?.getChild(t.LogExpr) ? 'logs' : top?.getChild(t.MetricExpr) ? 'metric' : 'broken'
}

/** Whether lines get labels out of their text, beside those that are stored. */
export function parsesLines(query: string): boolean {
  return !nodes(parse(query), t.LabelParser, t.LogfmtParser, t.JsonExpressionParser, t.LogfmtExpressionParser, t.LabelFormatExpr).next().done
}

/** Quotes as LogQL reads it: double quotes with escapes, or back quotes where those read better. */
export function quote(value: string): string {
  const clean = value.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd')
  if (/["\\]/.test(clean) && !/[`\r\n]/.test(clean)) return `\`${clean}\``
  return JSON.stringify(clean)
}

/** The value of a quoted string; undefined when its escapes make no sense. */
export function unquote(text: string): string | undefined {
  if (text.startsWith('`')) return text.endsWith('`') && text.length > 1 ? text.slice(1, -1) : undefined
  try {
    const json = text.replace(/\\(x[0-9a-fA-F]{2}|[0-7]{3}|a|v|')/g, (_, e: string) => {
      const code = e === 'a' ? 7 : e === 'v' ? 11 : e === "'" ? 39 : e.startsWith('x') ? parseInt(e.slice(1), 16) : parseInt(e, 8)
      return `\\u${code.toString(16).padStart(4, '0')}`
    })
    const value: unknown = JSON.parse(json)
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}

/** Escapes what RE2 gives a meaning. */
export function quoteRegex(value: string): string {
  return value.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&')
}

/** Words that are no LogQL search for lines that hold them. */
export function fromPlainText(input: string): string {
  const text = input.trim()
  if (text === '') return DEFAULT_QUERY
  if (looksLikeLogQL(text)) return text
  return `${DEFAULT_QUERY} |= ${quote(text)}`
}

const FUNCTION = /^(sum|avg|min|max|count|stddev|stdvar|topk|bottomk|approx_topk|sort|sort_desc|[a-z_]+_over_time|rate|rate_counter|bytes_rate|label_replace|vector)\b\s*(\(|by\b|without\b)/

function looksLikeLogQL(text: string): boolean {
  return /^[({#]/.test(text) || FUNCTION.test(text) || kindOf(text) !== 'broken'
}

interface Condition {
  readonly name: string
  readonly op: string
  readonly value: string
  /** The whole condition with its separator: what to take out. */
  readonly from: number
  readonly to: number
  /** The operator and the string alone: what to replace. */
  readonly opFrom: number
}

/** Matchers and the label filters that stand alone in their stage. */
function conditions(query: string, tree: Tree): Condition[] {
  const found: Condition[] = []
  for (const m of nodes(tree, t.Matcher)) {
    const name = m.getChild(t.Identifier)
    const str = m.getChild(t.String)
    if (!name || !str || !name.nextSibling) continue
    const span = separated(query, m)
    const value = unquote(textOf(query, str))
    if (!span || value === undefined) continue
    found.push({ name: textOf(query, name), op: textOf(query, name.nextSibling), value, ...span, opFrom: name.nextSibling.from })
  }
  return found
}

function separated(query: string, m: SyntaxNode): { from: number; to: number } | undefined {
  if (m.parent?.type.id === t.Matchers) {
    const before = /,\s*$/.exec(query.slice(0, m.from))
    if (before) return { from: m.from - before[0].length, to: m.to }
    const after = /^\s*,\s*/.exec(query.slice(m.to))
    return { from: m.from, to: m.to + (after?.[0].length ?? 0) }
  }
  const stage = m.parent?.parent
  if (m.parent?.type.id !== t.LabelFilter || stage?.type.id !== t.PipelineStage) return undefined
  const gap = /\s*$/.exec(query.slice(0, stage.from))
  return { from: stage.from - (gap?.[0].length ?? 0), to: stage.to }
}

const splice = (s: string, from: number, to: number, text: string): string => s.slice(0, from) + text + s.slice(to)

/** The values the query already asks a label to be, or not to be. */
export function filtersOn(query: string, name: string): { wanted: string[]; unwanted: string[] } {
  const wanted: string[] = []
  const unwanted: string[] = []
  for (const c of conditions(query, parse(query))) {
    if (c.name !== name) continue
    if (c.op === '=') wanted.push(c.value)
    else if (c.op === '!=') unwanted.push(c.value)
    else if (c.op === '=~') wanted.push(...alternatives(c.value))
    else if (c.op === '!~') unwanted.push(...alternatives(c.value))
  }
  return { wanted, unwanted }
}

/** `a|b\.c` as its words; empty when the expression is more than words. */
function alternatives(regex: string): string[] {
  const words = regex.split(/(?<!\\)\|/)
  return words.every((w) => /^(\\.|[^\\^$.?*+()[\]{}])*$/.test(w)) ? words.map((w) => w.replace(/\\(.)/g, '$1')) : []
}

/** Takes out every condition on a label. */
export function withoutFilter(query: string, name: string): string {
  const cuts = conditions(query, parse(query)).filter((c) => c.name === name).reverse()
  let out = query
  for (const c of cuts) out = splice(out, c.from, c.to, '')
  return cuts.some((c) => c.from >= 0) ? out.replace(/\{\s*\}/, DEFAULT_QUERY) : out
}

/** Asks for the label to be one of the values; with none, the label is free again. */
export function setFilter(query: string, name: string, values: readonly string[], inStream = STREAM_LABELS.has(name)): string {
  if (values.length === 0) return withoutFilter(query, name)
  const text = values.length === 1
    ? `=${quote(values[0] ?? '')}`
    : `=~${quote(values.map(quoteRegex).join('|'))}`
  const mine = conditions(query, parse(query)).filter((c) => c.name === name)
  const first = mine.find((c) => c.op.startsWith('='))
  if (mine.length === 1 && first) return splice(query, first.opFrom, first.opFrom + conditionLength(query, first), text)
  return addCondition(mine.length > 0 ? withoutFilter(query, name) : query, `${name}${text}`, inStream)
}

function conditionLength(query: string, c: Condition): number {
  for (const m of nodes(parse(query), t.Matcher)) {
    const name = m.getChild(t.Identifier)
    if (name?.nextSibling?.from === c.opFrom) return m.to - c.opFrom
  }
  return 0
}

/** Asks for exactly this value, or, asked a second time, no longer. */
export function toggleFilter(query: string, name: string, value: string, inStream?: boolean): string {
  const { wanted } = filtersOn(query, name)
  return wanted.length === 1 && wanted[0] === value ? withoutFilter(query, name) : setFilter(query, name, [value], inStream)
}

/** Adds a value to those asked for, or takes it away. */
export function toggleAmong(query: string, name: string, value: string, inStream?: boolean): string {
  const { wanted } = filtersOn(query, name)
  const next = wanted.includes(value) ? wanted.filter((v) => v !== value) : [...wanted, value]
  return setFilter(query, name, next, inStream)
}

export function excludeFilter(query: string, name: string, value: string, inStream = STREAM_LABELS.has(name)): string {
  const { wanted, unwanted } = filtersOn(query, name)
  if (unwanted.includes(value)) return query
  if (wanted.includes(value)) return setFilter(query, name, wanted.filter((v) => v !== value), inStream)
  return addCondition(query, `${name}!=${quote(value)}`, inStream)
}

/** Puts a condition into every selector or after every pipeline of the query. */
function addCondition(query: string, condition: string, inStream: boolean): string {
  const places: { at: number; text: string }[] = []
  for (const s of nodes(parse(query), t.Selector)) {
    if (inStream) {
      const close = s.to - (query[s.to - 1] === '}' ? 1 : 0)
      const empty = /^\{\s*$/.test(query.slice(s.from, close))
      const trailing = /,\s*$/.test(query.slice(s.from, close))
      places.push({ at: close, text: `${empty || trailing ? '' : ', '}${condition}` })
    } else {
      places.push({ at: pipelineEnd(s), text: ` | ${condition}` })
    }
  }
  let out = query
  for (const p of places.reverse()) out = splice(out, p.at, p.at, p.text)
  return out
}

function pipelineEnd(selector: SyntaxNode): number {
  for (let n = selector.nextSibling; n; n = n.nextSibling) if (n.type.id === t.PipelineExpr) return n.to
  return selector.to
}

/** Adds a filter on the line's text after the selector's other line filters. */
export function addLineFilter(query: string, op: '|=' | '!=', text: string): string {
  const s = firstSelector(query)
  if (!s) return query
  let at = s.to
  const filters = [...nodes(parse(query), t.LineFilters)].filter((n) => n.from >= s.to)
  const lead = filters.at(-1)
  if (lead) at = Math.max(at, ...filters.map((n) => n.to))
  return splice(query, at, at, ` ${op} ${quote(text)}`)
}

/** Drops the last stage, else the last matcher: the way out of an empty answer. */
export function withoutLastCondition(query: string): string | undefined {
  if (kindOf(query) !== 'logs') return undefined
  const tree = parse(query)
  const stages = [...nodes(tree, t.PipelineStage)]
  const last = stages.at(-1)
  if (last) {
    const filters = [...nodes(tree, t.LineFilter)].filter((f) => f.from >= last.from)
    const cut = filters.at(-1) ?? last
    return splice(query, cut.from, cut.to, '').trimEnd()
  }
  const matchers = conditions(query, tree)
  const matcher = matchers.at(-1)
  return matchers.length > 1 && matcher ? splice(query, matcher.from, matcher.to, '') : undefined
}

/** What the line filters look for, to be marked in the lines. */
export function marksOf(query: string): RegExp | undefined {
  const parts: string[] = []
  for (const f of nodes(parse(query), t.LineFilter)) {
    const op = f.getChild(t.Filter)?.firstChild?.type.id
    if (op !== t.PipeExact && op !== t.PipeMatch) continue
    for (const s of [f.getChild(t.String), ...orFilters(f)]) {
      const value = unquote(textOf(query, s))
      if (value) parts.push(op === t.PipeExact ? quoteRegex(value) : value)
    }
  }
  return union(parts)
}

function orFilters(f: SyntaxNode): (SyntaxNode | null)[] {
  const found: (SyntaxNode | null)[] = []
  for (let o = f.getChild(t.OrFilter); o; o = o.getChild(t.OrFilter)) found.push(o.getChild(t.String))
  return found
}

function union(parts: readonly string[]): RegExp | undefined {
  const good = parts.filter((p) => compiles(p))
  if (good.length === 0) return undefined
  const fold = good.every((p) => p.startsWith('(?i)'))
  const source = good.map((p) => `(?:${p.replace(/^\(\?i\)/, '')})`).join('|')
  return new RegExp(source, fold ? 'gi' : 'g')
}

/**
 * RE2 knows flags and classes that JavaScript does not, and takes linear time
 * where JavaScript may take forever: neither kind is marked.
 */
function compiles(source: string): boolean {
  if (/\)[*+{]/.test(source) || (source.match(/(?<!\\)[*+{]/g) ?? []).length > 2) return false
  try {
    new RegExp(source.replace(/^\(\?i\)/, ''), 'g')
    return true
  } catch {
    return false
  }
}

/** Offset of a position the server names, both parts from 1. */
export function offsetAt(query: string, line: number, col: number): number {
  const lines = query.split('\n')
  let at = 0
  for (let i = 0; i < Math.min(line - 1, lines.length - 1); i++) at += (lines[i]?.length ?? 0) + 1
  return Math.min(query.length, at + Math.max(0, col - 1))
}

/** The query in which all streams are followed, for completion: the text of the first selector without one label. */
export function selectorWithout(query: string, name: string): string | undefined {
  const s = firstSelector(query)
  if (!s) return undefined
  const kept = [...nodes(parse(query), t.Matcher)]
    .filter((m) => m.from >= s.from && m.to <= s.to && m.getChild(t.String))
    .filter((m) => textOf(query, m.getChild(t.Identifier)) !== name)
    .map((m) => textOf(query, m))
  return kept.length > 0 ? `{${kept.join(', ')}}` : undefined
}
