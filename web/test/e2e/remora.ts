// A real server with a directory of its own, and a page that may talk to nobody
// else and must not complain.

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, type Page, test as base } from '@playwright/test'

export interface Line {
  /** Unix milliseconds. */
  readonly at: number
  readonly text: string
  readonly labels?: Record<string, string>
  readonly meta?: Record<string, string>
  /** Nanoseconds beyond the millisecond. */
  readonly nanos?: number
}

const BINARY = resolve(process.env.REMORA_BIN ?? '../bin/remora')

export class Remora {
  readonly url: string
  private readonly process: ChildProcess
  private readonly dir: string

  private constructor(url: string, process: ChildProcess, dir: string) {
    this.url = url
    this.process = process
    this.dir = dir
  }

  /** Starts one; with an earlier one given, on its address and directory. */
  static async start(before?: Remora): Promise<Remora> {
    if (!existsSync(BINARY)) throw new Error(`no server at ${BINARY}: build it with "make build", or name it in REMORA_BIN`)
    const dir = before?.dir ?? await mkdtemp(join(tmpdir(), 'remora-page-'))
    const listen = before ? new URL(before.url).host : '127.0.0.1:0'
    const child = spawn(BINARY, ['server', '--data', dir, '--listen', listen], { stdio: ['ignore', 'ignore', 'pipe'] })
    const url = await new Promise<string>((done, fail) => {
      let told = ''
      child.stderr.on('data', (chunk: Buffer) => {
        told += chunk.toString()
        const at = /url=(\S+)/.exec(told)?.[1]
        if (at) done(at)
      })
      child.on('error', fail)
      child.on('exit', (code) => { fail(new Error(`the server ended with ${code}:\n${told}`)) })
    })
    return new Remora(url, child, dir)
  }

  /** Ends it and leaves its directory. */
  async end(): Promise<void> {
    const ended = new Promise((done) => this.process.once('exit', done))
    this.process.kill('SIGTERM')
    await ended
  }

  async stop(): Promise<void> {
    await this.end()
    await rm(this.dir, { recursive: true, force: true })
  }

  async push(lines: readonly Line[], tenant?: string): Promise<void> {
    const streams = new Map<string, { stream: Record<string, string>; values: unknown[] }>()
    for (const l of lines) {
      const stream = { service_name: 'ray-cluster', job: 'ray/logs', RayCluster: 'train', node_type: 'head', component: 'worker', ...l.labels }
      const key = JSON.stringify(stream)
      const s = streams.get(key) ?? { stream, values: [] as unknown[] }
      streams.set(key, s)
      s.values.push([String(BigInt(l.at) * 1_000_000n + BigInt(l.nanos ?? 0)), l.text, l.meta ?? {}])
    }
    const answer = await fetch(`${this.url}/loki/api/v1/push`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(tenant ? { 'X-Scope-OrgID': tenant } : {}) },
      body: JSON.stringify({ streams: [...streams.values()] }),
    })
    if (!answer.ok) throw new Error(`push: ${answer.status} ${await answer.text()}`)
  }
}

interface Fixtures {
  readonly open: (query?: Record<string, string>) => Promise<Page>
  /** What the page is allowed to complain about: `400` for a query that is wrong. */
  readonly complaints: RegExp[]
}

export const test = base.extend<Fixtures, { remora: Remora }>({
  remora: [async ({}, use) => {
    const remora = await Remora.start()
    await use(remora)
    await remora.stop()
  }, { scope: 'worker' }],

  complaints: async ({}, use) => { await use([]) },

  open: async ({ page, remora, complaints }, use) => {
    const told: string[] = []
    page.on('console', (m) => { if (m.type() === 'error' || m.type() === 'warning') told.push(m.text()) })
    page.on('pageerror', (e) => { told.push(String(e)) })
    page.on('request', (r) => { if (!r.url().startsWith(remora.url)) told.push(`asked a stranger: ${r.url()}`) })
    await use(async (query) => {
      await page.goto(`${remora.url}/${query ? `?${new URLSearchParams(query)}` : ''}`)
      return page
    })
    expect(told.filter((t) => !complaints.some((c) => c.test(t)))).toEqual([])
  },
})

export { expect }

export const rows = (page: Page) => page.getByRole('treegrid', { name: 'Log lines' }).getByRole('row')
export const queryBox = (page: Page) => page.getByRole('textbox', { name: 'LogQL query' })

export async function runQuery(page: Page, text: string): Promise<void> {
  await queryBox(page).click()
  await page.keyboard.press('ControlOrMeta+a')
  await page.keyboard.insertText(text)
  await page.keyboard.press('ControlOrMeta+Enter')
}
