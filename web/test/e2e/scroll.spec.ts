import { expect, rows, test } from './remora.ts'

const LINES = 100_000
const now = Date.now()

// Four lines share each time stamp, so that pages end between equal times.
test.beforeAll(async ({ remora }) => {
  for (let n = 0; n < LINES; n += 5000) {
    await remora.push(Array.from({ length: 5000 }, (_, i) => ({
      at: now - 30 * 60_000 + Math.floor((n + i) / 4) * 60,
      text: `n=${n + i} ${'x'.repeat((n + i) % 90)}`,
      labels: { RayCluster: 'scroll', component: Math.floor((n + i) / 4) % 4 === 3 ? 'raylet' : 'worker' },
      meta: { offset: String(n + i), detected_level: 'info' },
    })))
  }
})

test('100,000 lines scroll smoothly from the newest to the oldest, none lost', async ({ open }) => {
  test.setTimeout(180_000)
  const page = await open({ q: '{RayCluster="scroll"}', from: 'now-1h', to: 'now' })
  await expect(rows(page).last()).toContainText('n=99999')

  const frames = await page.evaluate(async () => {
    const list = document.querySelector('.list')
    if (!list) throw new Error('no list')
    const times: number[] = []
    const widest = { rows: 0 }
    let last = performance.now()
    // A hard fling: 100 lines a frame.
    for (let still = 0; still < 120;) {
      const before = list.scrollTop
      list.scrollTop = before - 2200
      const t = await new Promise<number>((done) => requestAnimationFrame(done))
      times.push(t - last)
      last = t
      widest.rows = Math.max(widest.rows, list.querySelectorAll('.row').length)
      const busy = document.querySelector('.edge') !== null
      still = list.scrollTop === 0 && !busy ? still + 1 : 0
    }
    times.sort((a, b) => a - b)
    const at = (q: number): number => Math.round(times[Math.floor((times.length - 1) * q)] ?? 0)
    return { frames: times.length, median: at(0.5), p95: at(0.95), worst: at(1), mostRows: widest.rows }
  })
  console.log(`scrolled ${LINES} lines: ${JSON.stringify(frames)} (milliseconds)`)

  await expect(page.getByText('100,000 lines', { exact: true })).toBeVisible()
  await expect(rows(page).first()).toContainText('n=0 ')
  expect(frames.mostRows).toBeLessThan(120)
  expect(frames.median).toBeLessThan(50)
  expect(frames.p95).toBeLessThan(200)
})

test('the place is kept while older lines come in above', async ({ open }) => {
  const page = await open({ q: '{RayCluster="scroll"}', from: 'now-1h', to: 'now' })
  await expect(rows(page).last()).toContainText('n=99999')
  const list = page.getByRole('treegrid')
  await list.evaluate((el) => { el.scrollTop = 8000 })
  // Rows are drawn a frame after the list has moved.
  await expect.poll(() => firstInSight(page)).toMatch(/ at -?\d\d?$/)
  const first = await firstInSight(page)
  await expect(page.getByText(/^5,99\d lines/)).toBeVisible()
  expect(await firstInSight(page)).toBe(first)
})

test('turning the order round shows the same lines from the other end', async ({ open }) => {
  const page = await open({ q: '{RayCluster="scroll"}', from: 'now-1h', to: 'now', order: 'newest' })
  await expect(rows(page).first()).toContainText('n=99999')
  await page.getByRole('treegrid').focus()
  await page.keyboard.press('End')
  await expect(rows(page).last()).toContainText('n=0 ')
  await expect(page.getByRole('treegrid')).toBeFocused()
  await page.getByRole('button', { name: 'Wrap' }).click()
  await page.getByRole('button', { name: 'Newest first' }).click()
  await page.getByRole('treegrid').focus()
  await page.keyboard.press('End')
  await expect(rows(page).last()).toContainText('n=99999 ')
  await expect(rows(page).last()).toBeInViewport({ ratio: 1 })
})

async function firstInSight(page: import('@playwright/test').Page): Promise<string> {
  return page.evaluate(() => {
    const list = document.querySelector('.list')
    const top = list?.getBoundingClientRect().top ?? 0
    const row = [...document.querySelectorAll('.row')].find((r) => r.getBoundingClientRect().bottom > top + 1)
    return `${row?.querySelector('.text')?.textContent} at ${Math.round((row?.getBoundingClientRect().top ?? 0) - top)}`
  })
}
