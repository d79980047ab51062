// What a line looks like: terminal colours become classes, progress bars their
// last state, and what a query looks for is marked. Only text comes out of
// here, never markup.

export interface Piece {
  readonly text: string
  /** Class names for colour and weight. */
  readonly style: string
  readonly marked: boolean
}

const COLOURS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const

// CSI (colours among them), OSC (titles, links), and two-byte escapes.
// eslint-disable-next-line no-control-regex
const ESCAPE = /\x1b(?:\[([0-9;:?<=>]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])/g

interface Pen {
  colour: string
  bold: boolean
  dim: boolean
  italic: boolean
  underline: boolean
}

const plain = (): Pen => ({ colour: '', bold: false, dim: false, italic: false, underline: false })

function styleOf(p: Pen): string {
  const names = [p.colour, p.bold && 'ansi-bold', p.dim && 'ansi-dim', p.italic && 'ansi-italic', p.underline && 'ansi-underline']
  return names.filter(Boolean).join(' ')
}

/** Select Graphic Rendition: what of it a page can show well. */
function paint(pen: Pen, params: string): void {
  const codes = params.split(/[;:]/).map(Number)
  for (let i = 0; i < codes.length; i++) {
    const c = codes[i] ?? 0
    if (c === 0) Object.assign(pen, plain())
    else if (c === 1) pen.bold = true
    else if (c === 2) pen.dim = true
    else if (c === 3) pen.italic = true
    else if (c === 4) pen.underline = true
    else if (c === 22) { pen.bold = false; pen.dim = false }
    else if (c === 23) pen.italic = false
    else if (c === 24) pen.underline = false
    else if (c >= 30 && c <= 37) pen.colour = `ansi-${COLOURS[c - 30] ?? ''}`
    else if (c >= 90 && c <= 97) pen.colour = `ansi-${COLOURS[c - 90] ?? ''}`
    else if (c === 39) pen.colour = ''
    else if (c === 38 || c === 48) {
      const n = codes[i + 2] ?? 0
      if (c === 38) pen.colour = codes[i + 1] === 5 && n < 16 ? `ansi-${COLOURS[n % 8] ?? ''}` : ''
      i += codes[i + 1] === 5 ? 2 : 4
    }
  }
}

/** Splits a line at its colours; every other escape is dropped. */
export function ansiPieces(line: string): Piece[] {
  if (!line.includes('\x1b')) return line === '' ? [] : [{ text: line, style: '', marked: false }]
  const pieces: Piece[] = []
  const pen = plain()
  let at = 0
  const push = (text: string): void => {
    if (text !== '') pieces.push({ text, style: styleOf(pen), marked: false })
  }
  for (const m of line.matchAll(ESCAPE)) {
    push(line.slice(at, m.index))
    if (m[2] === 'm') paint(pen, m[1] ?? '')
    at = m.index + m[0].length
  }
  push(line.slice(at))
  return pieces
}

/** What a terminal would show in the end of a line that was drawn over. */
export function lastDrawn(line: string): string {
  if (!line.includes('\r')) return line
  const states = line.split('\r').filter((s) => s.trim() !== '')
  return states.at(-1) ?? ''
}

/** The line without colours and controls: for copying and searching. */
export function plainText(line: string): string {
  return line.includes('\x1b') ? line.replace(ESCAPE, '') : line
}

/** A bound on work for one line: a hostile expression could match everywhere. */
const MOST_MARKS = 200

/** Milliseconds for one line, after which an expression marks no more. */
const SLOW = 30
const slow = new WeakSet<RegExp>()

/** Marks matches, also where one runs across colours. */
export function markPieces(pieces: readonly Piece[], marks: RegExp | undefined): Piece[] {
  if (!marks || pieces.length === 0) return [...pieces]
  const text = pieces.map((p) => p.text).join('')
  const spans: [number, number][] = []
  if (slow.has(marks)) return [...pieces]
  const began = performance.now()
  for (const m of text.matchAll(marks)) {
    if (m[0] !== '') spans.push([m.index, m.index + m[0].length])
    if (spans.length >= MOST_MARKS) break
  }
  if (performance.now() - began > SLOW) slow.add(marks)
  return spans.length === 0 ? [...pieces] : cutAt(pieces, spans)
}

function cutAt(pieces: readonly Piece[], spans: readonly [number, number][]): Piece[] {
  const out: Piece[] = []
  let base = 0
  let k = 0
  for (const p of pieces) {
    let at = 0
    while (at < p.text.length) {
      while (k < spans.length && (spans[k]?.[1] ?? 0) <= base + at) k++
      const span = spans[k]
      const marked = span !== undefined && span[0] <= base + at
      const until = span === undefined ? Infinity : marked ? span[1] : span[0]
      const to = Math.min(p.text.length, until - base)
      out.push({ text: p.text.slice(at, to), style: p.style, marked })
      at = to
    }
    base += p.text.length
  }
  return out
}

// Time, level and process that Ray's and Python's loggers write before the
// message. The row's own columns say it already, so it stands back.
const PREFIX = /^(?:\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ [A-Z] \d+ \d+\](?: \([\w-]+\))?|(?:[A-Z]+:?\s+)?\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[,.]\d+(?:[ \t]+(?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL)\b)?)\s+/

/** Sets the logger's prefix of a line apart. */
export function splitPrefix(pieces: readonly Piece[]): Piece[] {
  const [first, ...rest] = pieces
  if (!first || first.style !== '') return [...pieces]
  const prefix = PREFIX.exec(first.text)?.[0]
  if (!prefix || prefix.length === first.text.length) return [...pieces]
  return [{ ...first, text: prefix, style: 'prefix' }, { ...first, text: first.text.slice(prefix.length) }, ...rest]
}

/** A row shows the start of a line; the rest of a long one waits until it is opened. */
export const ROW_CHARS = 1200

export function rowPieces(line: string, marks: RegExp | undefined, most = ROW_CHARS): Piece[] {
  const drawn = lastDrawn(line.replace(/[\r\n]+$/, ''))
  const message = messageOf(drawn)
  if (message !== '') {
    const shown = visible(message.replace(/\s*\n\s*/g, ' ⏎ ').slice(0, most))
    return markPieces([...ansiPieces(shown), { text: `  ${visible(drawn.slice(0, most))}`, style: 'prefix', marked: false }], marks)
  }
  const cut = drawn.length > most ? `${drawn.slice(0, most)}…` : drawn
  return markPieces(splitPrefix(ansiPieces(visible(cut.replace(/\n/g, ' ⏎ ')))), marks)
}

/** Control characters as their pictures, so that they neither vanish nor act. Colours stay. */
export function visible(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
    .replace(/[\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
}

/** `{"a":1}` laid out over lines; undefined when the line is no JSON object or array. */
export function prettyJson(line: string): string | undefined {
  const text = line.trim()
  if (!/^[[{]/.test(text) || text.length > 200_000 || parsed(text) === undefined) return undefined
  return layOut(text)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Moves white space only: a number too long for JavaScript stays as it was written. */
function layOut(json: string): string {
  let out = ''
  let depth = 0
  const newline = (): string => `\n${'  '.repeat(depth)}`
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{[]\s*[}\]]|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    if (token === '{' || token === '[') {
      depth++
      out += token + newline()
    } else if (token === '}' || token === ']') {
      depth--
      out += newline() + token
    } else if (token === ',') out += token + newline()
    else if (token === ':') out += ': '
    else out += token
  }
  return out
}

/** What a structured line says, to be read before its JSON. */
function messageOf(line: string): string {
  if (!line.startsWith('{') || line.length > 20_000) return ''
  const object = parsed(line)
  if (typeof object !== 'object' || object === null) return ''
  const { label, message, msg, event } = object as Record<string, unknown>
  const text = [message, msg, event].find((m) => typeof m === 'string' && m !== '') as string | undefined
  return text === undefined ? '' : typeof label === 'string' ? `${label}: ${text}` : text
}
