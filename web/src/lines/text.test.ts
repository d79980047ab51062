import { expect, it } from 'vitest'
import { ansiPieces, lastDrawn, markPieces, plainText, prettyJson, rowPieces } from './text.ts'

const joined = (ps: { text: string }[]): string => ps.map((p) => p.text).join('')

it('turns colours into classes', () => {
  expect(ansiPieces('a\x1b[1;31mb\x1b[0mc')).toEqual([
    { text: 'a', style: '', marked: false },
    { text: 'b', style: 'ansi-red ansi-bold', marked: false },
    { text: 'c', style: '', marked: false },
  ])
  expect(ansiPieces('\x1b[38;5;2mg\x1b[38;2;1;2;3mx\x1b[39my').map((p) => p.style)).toEqual(['ansi-green', '', ''])
})

it('drops every other escape', () => {
  expect(plainText('\x1b[2K\x1b]0;title\x07\x1b(Bhello\x1b[1A')).toBe('hello')
  expect(joined(ansiPieces('\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\'))).toBe('link')
})

it('shows the last state of a progress bar', () => {
  expect(lastDrawn('10%|#\r50%|##\r100%|###\r')).toBe('100%|###')
})

it('marks across colours', () => {
  const ps = markPieces(ansiPieces('xx o\x1b[31mut of\x1b[0m memory'), /out of memory/g)
  expect(ps.filter((p) => p.marked).map((p) => p.text)).toEqual(['o', 'ut of', ' memory'])
  expect(joined(ps)).toBe('xx out of memory')
})

it('does not hang on expressions that match nothing', () => {
  expect(joined(markPieces(ansiPieces('abc'), /x*/g))).toBe('abc')
})

it('bounds long lines and makes controls visible', () => {
  expect(joined(rowPieces('x'.repeat(5000), undefined))).toHaveLength(1201)
  expect(joined(rowPieces('a\0b\nc\n', undefined))).toBe('a␀b ⏎ c')
  expect(joined(rowPieces('safe\u202egpj.exe', undefined))).toBe('safe\ufffdgpj.exe')
})

it.each([
  ['[2026-11-21 10:00:01,123 I 211 240] (raylet) node_manager.cc:525: ', 'started'],
  ['2026-11-21 10:00:01,123 ERROR ', 'worker.py:409 -- died'],
  ['INFO 2026-11-21 10:00:01,123 ', 'serve 12 -- ready'],
])('sets the prefix %j apart', (prefix, rest) => {
  const ps = rowPieces(prefix + rest, undefined)
  expect(joined(ps)).toBe(prefix + rest)
  expect(ps[0]?.style).toBe('prefix')
  expect(ps[1]?.text.endsWith(rest)).toBe(true)
})

it('lays out JSON', () => {
  expect(prettyJson('{"a":1}')).toBe('{\n  "a": 1\n}')
  expect(prettyJson('{"a":[1,{"b":"x,y:{}"}],"e":{},"n":12345678901234567890}'))
    .toBe('{\n  "a": [\n    1,\n    {\n      "b": "x,y:{}"\n    }\n  ],\n  "e": {},\n  "n": 12345678901234567890\n}')
  expect(prettyJson('{nope}')).toBeUndefined()
})

it('says what a structured line says first', () => {
  const line = '{"label":"RAY_WORKER_FAILURE","message":"A worker died"}'
  expect(joined(rowPieces(line, undefined))).toBe(`RAY_WORKER_FAILURE: A worker died  ${line}`)
  expect(joined(rowPieces('{"a":1}', undefined))).toBe('{"a":1}')
})
