// Who wrote a line, in a few characters.

import type { Entry } from '../loki/entry.ts'

/** Ids as Ray prints them are 32 to 56 hex digits, of which eight tell enough. */
export function shortId(value: string): string {
  return /^[0-9a-f]{20,}$/.test(value) ? `${value.slice(0, 8)}…` : value
}

/** `session_2026-11-21_09-12-44_123456_1` as its time; file names without directories and with short ids. */
export function shortValue(name: string, value: string): string {
  if (name === 'session') return value.replace(/^session_(\d{4}-\d\d-\d\d)_(\d\d)-(\d\d)-(\d\d)_.*$/, '$1 $2:$3:$4')
  if (name === 'filename') return value.replace(/[0-9a-f]{20,}/g, (id) => shortId(id))
  return shortId(value)
}

export function sourceOf(e: Entry): string {
  const m = e.meta
  const who = m.actor_name ?? m.task_name ?? m.deployment ?? m.submission_id
  if (who) return m.pid ? `${who} · ${m.pid}` : who
  const file = m.filename?.split('/').at(-1)
  if (m.pid && (!file || /[0-9a-f]{20,}/.test(file))) return `pid ${m.pid}`
  return file ? shortValue('filename', file) : (m.pid ? `pid ${m.pid}` : m.pod ?? m.container ?? '')
}
