import { describe, expect, it } from 'vitest'
import { absoluteRange, describeAge, describeRange, formatDuration, parseDuration, parseTime, resolveRange, stepFor } from './range.ts'

const now = Date.UTC(2026, 10, 21, 11, 30, 0)
const at = (text: string): string | undefined => {
  const ms = parseTime(text, now, 'utc')
  return ms === undefined ? undefined : new Date(ms).toISOString()
}

describe('parseTime', () => {
  it.each([
    ['now', '2026-11-21T11:30:00.000Z'],
    ['now-1h30m', '2026-11-21T10:00:00.000Z'],
    ['now - 2d', '2026-11-19T11:30:00.000Z'],
    ['2026-11-20', '2026-11-20T00:00:00.000Z'],
    ['2026-11-20 02:13', '2026-11-20T02:13:00.000Z'],
    ['2026-11-20T02:13:07.25Z', '2026-11-20T02:13:07.250Z'],
    ['2026-11-20 02:13:07,119', '2026-11-20T02:13:07.119Z'],
    ['2026-11-20T02:13:07+02:00', '2026-11-20T00:13:07.000Z'],
    ['02:13', '2026-11-21T02:13:00.000Z'],
    ['yesterday 23:05', '2026-11-20T23:05:00.000Z'],
    ['today', '2026-11-21T00:00:00.000Z'],
    ['1700000000', '2023-11-14T22:13:20.000Z'],
    ['1700000000123', '2023-11-14T22:13:20.123Z'],
    ['1700000000123456789', '2023-11-14T22:13:20.123Z'],
  ])('reads %s', (text, want) => expect(at(text)).toBe(want))

  it.each(['', 'soon', 'now-', 'now-1y', '2026-13-01', '25:00', 'Z'])('refuses %j', (text) => expect(at(text)).toBeUndefined())
})

describe('ranges', () => {
  it('says what is wrong with a range', () => {
    expect(resolveRange({ from: 'x', to: 'now' }, now, 'utc')).toContain('“x” is not a time')
    expect(resolveRange({ from: 'now', to: 'now-1h' }, now, 'utc')).toBe('The end must be after the start.')
  })

  it('survives the address bar', () => {
    const span = { start: now - 5000, end: now }
    expect(resolveRange(absoluteRange(span), 0, 'local')).toEqual(span)
  })

  it('reads well on the button', () => {
    expect(describeRange({ from: 'now-1h', to: 'now' }, now, 'utc')).toBe('Last hour')
    expect(describeRange({ from: 'now-90m', to: 'now' }, now, 'utc')).toBe('Last 90m')
    expect(describeRange({ from: '2026-11-20 02:13', to: '2026-11-20 03:00' }, now, 'utc')).toBe('2026-11-20 02:13 – 03:00')
    expect(describeRange({ from: '2026-11-20 23:00', to: '2026-11-21 01:00' }, now, 'utc')).toBe('2026-11-20 23:00 – 2026-11-21 01:00')
  })

  it('picks round steps', () => {
    expect(stepFor({ start: 0, end: 3600_000 }, 120)).toBe(30)
    expect(stepFor({ start: 0, end: 500 }, 120)).toBe(1)
    expect(stepFor({ start: 0, end: 400 * 86400_000 }, 10)).toBe(40 * 86400)
  })
})

it('reads and writes durations', () => {
  expect(parseDuration('1h30m')).toBe(5400_000)
  expect(parseDuration('1 h')).toBeUndefined()
  expect(formatDuration(5400_000)).toBe('1h30m')
  expect(formatDuration(250)).toBe('250ms')
})

it('tells ages', () => {
  expect(describeAge(now - 9 * 3600_000, now)).toBe('9 h ago')
  expect(describeAge(now - 500, now)).toBe('just now')
})
