import { describe, expect, it } from 'vitest'
import {
  addLineFilter, excludeFilter, filtersOn, fromPlainText, kindOf, marksOf, offsetAt, quote, selectorWithout, setFilter, toggleAmong,
  toggleFilter, unquote, withoutFilter, withoutLastCondition,
} from './edit.ts'

const all = '{job="ray/logs"}'

describe('kindOf', () => {
  it.each([
    [all, 'logs'], ['{a="b"} |= "x" | json', 'logs'], ['sum by (a)(count_over_time({a="b"}[5m]))', 'metric'],
    ['vector(1)', 'metric'], ['{a="b"', 'broken'], ['hello', 'broken'], ['', 'broken'],
  ] as const)('%s is %s', (query, want) => expect(kindOf(query)).toBe(want))
})

describe('plain text', () => {
  it('becomes a search for lines that hold it', () => {
    expect(fromPlainText('CUDA out of memory')).toBe('{job="ray/logs"} |= "CUDA out of memory"')
    expect(fromPlainText(' say "hi" ')).toBe('{job="ray/logs"} |= `say "hi"`')
    expect(fromPlainText('')).toBe(all)
  })
  it('leaves LogQL alone, also when it is wrong', () => {
    for (const q of [all, '{job=', 'sum(', 'rate({a="b"}[1m])', 'topk(3, x)']) expect(fromPlainText(q)).toBe(q)
  })
})

describe('filters on a stream label', () => {
  it('go into the selector', () => {
    expect(toggleFilter(all, 'component', 'raylet')).toBe('{job="ray/logs", component="raylet"}')
    expect(toggleFilter('{}', 'component', 'gcs')).toBe('{component="gcs"}')
  })
  it('change place with another value, and go away when clicked again', () => {
    const one = toggleFilter(all, 'component', 'raylet')
    expect(toggleFilter(one, 'component', 'gcs')).toBe('{job="ray/logs", component="gcs"}')
    expect(toggleFilter(one, 'component', 'raylet')).toBe(all)
  })
  it('add up when asked to', () => {
    const two = toggleAmong(toggleFilter(all, 'component', 'a.b'), 'component', 'gcs')
    expect(two).toBe('{job="ray/logs", component=~`a\\.b|gcs`}')
    expect(filtersOn(two, 'component').wanted).toEqual(['a.b', 'gcs'])
    expect(toggleAmong(two, 'component', 'a.b')).toBe('{job="ray/logs", component="gcs"}')
  })
  it('exclude', () => {
    const q = excludeFilter(all, 'component', 'dashboard')
    expect(q).toBe('{job="ray/logs", component!="dashboard"}')
    expect(excludeFilter(q, 'component', 'gcs')).toBe('{job="ray/logs", component!="dashboard", component!="gcs"}')
    expect(toggleFilter(q, 'component', 'dashboard')).toBe('{job="ray/logs", component="dashboard"}')
  })
})

describe('filters on metadata', () => {
  it('go to the end of the pipeline', () => {
    expect(toggleFilter(`${all} |= "x" | json`, 'pid', '42')).toBe('{job="ray/logs"} |= "x" | json | pid="42"')
    expect(toggleFilter(all, 'detected_level', '')).toBe('{job="ray/logs"} | detected_level=""')
  })
  it('replace and remove only their own stage', () => {
    const q = '{job="ray/logs"} | pid="1" | json'
    expect(toggleFilter(q, 'pid', '2')).toBe('{job="ray/logs"} | pid="2" | json')
    expect(withoutFilter(q, 'pid')).toBe('{job="ray/logs"} | json')
    expect(withoutFilter('{a="b"} | pid="1" or x="2"', 'pid')).toBe('{a="b"} | pid="1" or x="2"')
  })
  it('reach inside metric queries, before the range', () => {
    expect(toggleFilter('sum(rate({a="b"}[1m])) / sum(rate({a="b"} |= "x" [1m]))', 'pid', '1'))
      .toBe('sum(rate({a="b"} | pid="1"[1m])) / sum(rate({a="b"} |= "x" | pid="1" [1m]))')
  })
  it('set several at once', () => {
    expect(setFilter(all, 'detected_level', ['error', 'fatal'])).toBe('{job="ray/logs"} | detected_level=~"error|fatal"')
    expect(setFilter(all, 'detected_level', [])).toBe(all)
  })
})

it('survives hostile values', () => {
  for (const value of ['a"b', 'a\\b', '`', '`"\\', '\u2028', '"} | x="', '\n', '{}', "it's", '\ud800', 'ε😀']) {
    const q = toggleFilter(all, 'actor_name', value)
    expect(kindOf(q)).toBe('logs')
    expect(filtersOn(q, 'actor_name').wanted).toEqual([value.replace('\ud800', '\ufffd')])
    expect(unquote(quote(value))).toBe(value.replace('\ud800', '\ufffd'))
    expect(toggleFilter(q, 'actor_name', value.replace('\ud800', '\ufffd'))).toBe(all)
  }
})

it('adds line filters after those that are there', () => {
  expect(addLineFilter('{a="b"} |= "x" | json', '!=', 'noise')).toBe('{a="b"} |= "x" != "noise" | json')
})

it('finds a way out of an empty answer', () => {
  expect(withoutLastCondition('{a="b"} |= "x" | json')).toBe('{a="b"} |= "x"')
  expect(withoutLastCondition('{a="b"} |= "x" |= "y"')).toBe('{a="b"} |= "x"')
  expect(withoutLastCondition('{a="b", c="d"}')).toBe('{a="b"}')
  expect(withoutLastCondition('{a="b"}')).toBeUndefined()
})

it('marks what line filters look for', () => {
  expect('a.b axb'.match(marksOf('{a="b"} |= "a.b"') ?? /$/)).toEqual(['a.b'])
  expect('Foo foo 12'.match(marksOf('{a="b"} |~ "(?i)foo"') ?? /$/g)).toEqual(['Foo', 'foo'])
  expect('x y'.match(marksOf('{a="b"} |= "x" or "y" != "z"') ?? /$/)).toEqual(['x', 'y'])
  expect(marksOf('{a="b"} |~ "(?P<n>x"')).toBeUndefined()
  expect(marksOf('{a="b"} |~ "(a+)+$"')).toBeUndefined()
  expect(marksOf(all)).toBeUndefined()
})

it('turns positions into offsets', () => {
  expect(offsetAt('{a="b"}\n| x', 2, 3)).toBe(10)
  expect(offsetAt('abc', 9, 99)).toBe(3)
})

it('narrows completion to the other matchers', () => {
  expect(selectorWithout('{job="ray/logs", component="gcs"} | json', 'component')).toBe('{job="ray/logs"}')
  expect(selectorWithout('{component="', 'component')).toBeUndefined()
})
