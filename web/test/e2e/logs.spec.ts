import { expect, queryBox, rows, runQuery, test } from './remora.ts'

const MINUTE = 60_000
const hex = '3f9a1c2e'.repeat(7)
const now = Date.now()
/** Apart from the other lines, whose number the tests know. */
const live = { job: 'ray/live' }

test.beforeAll(async ({ remora }) => {
  const lines = []
  for (let i = 0; i < 600; i++) {
    const failed = i === 300
    lines.push({
      at: now - 40 * MINUTE + i * 4000,
      text: failed ? 'torch.OutOfMemoryError: CUDA out of memory' : `step=${i} loss=0.4`,
      labels: { component: i % 3 === 0 ? 'raylet' : 'worker', RayCluster: i % 2 === 0 ? 'train' : 'serve' },
      meta: { detected_level: failed ? 'error' : 'info', node_id: hex, pid: String(100 + (i % 4)), filename: 'worker.out', offset: String(i * 20), session: 's1' },
    })
  }
  lines.push({ at: now - 30 * MINUTE, text: '<img src=x onerror=alert(1)> \u001b[31mred\u001b[0m', labels: { component: 'hostile' }, meta: { actor_name: '"><script>alert(1)</script>' } })
  await remora.push(lines)
})

test('the first view shows the latest lines, counts and filters', async ({ open }) => {
  const page = await open()
  await expect(rows(page).last()).toContainText('step=599')
  await expect(page.getByText('601 lines').first()).toBeVisible()
  const panel = page.getByRole('complementary', { name: 'Filters' })
  await expect(panel.getByRole('button', { name: /^error/ })).toContainText('1')
  await expect(panel.getByRole('button', { name: /^raylet/ })).toContainText('200')
  await expect(page.getByRole('img', { name: /601 lines: 1 error/ })).toBeVisible()
})

test('a typed query filters lines and marks what it looked for', async ({ open }) => {
  const page = await open()
  await runQuery(page, '{job="ray/logs"} |= "CUDA"')
  await expect(rows(page)).toHaveCount(1)
  await expect(page.locator('mark')).toHaveText('CUDA')
  await expect(page).toHaveURL(/q=.*CUDA/)
})

test('plain words become a search', async ({ open }) => {
  const page = await open()
  await runQuery(page, 'out of memory')
  await expect(rows(page)).toHaveCount(1)
  await expect(queryBox(page)).toHaveText('{job="ray/logs"} |= "out of memory"')
})

test('labels and their values are completed', async ({ open }) => {
  const page = await open()
  await expect(rows(page).last()).toBeVisible()
  await queryBox(page).click()
  await page.keyboard.press('ControlOrMeta+a')
  await page.keyboard.type('{Ray')
  await page.getByRole('option', { name: 'RayCluster' }).click()
  await page.getByRole('option', { name: 'serve' }).click()
  await expect(queryBox(page)).toHaveText('{RayCluster="serve"}')
  await page.keyboard.press('ControlOrMeta+Enter')
  await expect(page.getByText('300 lines').first()).toBeVisible()
})

test('dragging over the histogram zooms, and going back returns', async ({ open }) => {
  const page = await open()
  await expect(page.getByRole('img', { name: /601 lines/ })).toBeVisible()
  const box = await page.locator('.u-over').boundingBox()
  if (!box) throw new Error('no histogram')
  await page.mouse.move(box.x + box.width * 0.5, box.y + 30)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.6, box.y + 30, { steps: 5 })
  await page.mouse.up()
  await expect(page).toHaveURL(/from=20\d\d-/)
  await expect(page.getByRole('img', { name: /^[1-9]\d lines/ })).toBeVisible()
  await page.getByRole('button', { name: 'Zoom out' }).click()
  await expect(page.getByRole('img', { name: /^1\d\d lines/ })).toBeVisible()
  await page.goBack()
  await page.goBack()
  await expect(page.getByRole('img', { name: /601 lines/ })).toBeVisible()
})

test('a line opens to its metadata, and a click on a value filters by it', async ({ open }) => {
  const page = await open()
  await rows(page).filter({ hasText: 'step=598' }).locator('.text').click()
  const fields = page.getByRole('list', { name: 'Metadata' })
  await expect(fields.getByRole('listitem').filter({ hasText: 'node_id' })).toContainText('3f9a1c2e…')
  await expect(page).toHaveURL(/line=\d{19}-/)
  await fields.getByRole('button', { name: '102', exact: true }).click()
  await expect(queryBox(page)).toHaveText('{job="ray/logs"} | pid="102"')
  await expect(page.getByText('150 lines').first()).toBeVisible()
  await page.getByRole('complementary').getByRole('button', { name: /^train/ }).click()
  await expect(queryBox(page)).toHaveText('{job="ray/logs", RayCluster="train"} | pid="102"')
})

test('the address bar brings back query, range and the open line', async ({ open }) => {
  const page = await open({ q: '{job="ray/logs", component="raylet"}', from: 'now-3h', to: 'now', order: 'newest' })
  await rows(page).filter({ hasText: 'step=300' }).or(rows(page).filter({ hasText: 'step=591' })).first().locator('.text').click()
  await expect(page.getByRole('list', { name: 'Metadata' })).toBeVisible()
  await page.reload()
  await expect(queryBox(page)).toHaveText('{job="ray/logs", component="raylet"}')
  await expect(page.getByRole('button', { name: 'Time range' })).toContainText('Last 3 hours')
  await expect(page.getByRole('button', { name: 'Newest first' })).toHaveAttribute('aria-pressed', 'true')
  await expect(page.getByRole('list', { name: 'Metadata' })).toBeVisible()
  await expect(page.locator('.row.open')).toContainText('step=591')
})

test('the first error is one click away, and its file another', async ({ open }) => {
  const page = await open()
  await page.getByRole('button', { name: /First of 1 error/ }).click()
  const row = page.locator('.row.focused')
  await expect(row).toContainText('CUDA out of memory')
  await row.locator('.text').click()
  await page.getByRole('button', { name: 'Show in file' }).click()
  await expect(queryBox(page)).toContainText('filename="worker.out"')
  await expect(page.locator('.row.open')).toContainText('CUDA out of memory')
})

test('a live line arrives', async ({ open, remora }) => {
  await remora.push([{ at: Date.now() - MINUTE, text: 'a minute ago', labels: live }])
  const page = await open({ q: '{job="ray/live"}' })
  await expect(rows(page).last()).toContainText('a minute ago')
  await page.getByRole('button', { name: 'Live' }).click()
  await expect(page.locator('.live-on')).toBeVisible()
  await remora.push([{ at: Date.now(), text: 'born a moment ago', labels: live, meta: { detected_level: 'warn', pid: '7' } }])
  await expect(rows(page).last()).toContainText('born a moment ago')
  await rows(page).last().locator('.text').click()
  await expect(page.getByRole('list', { name: 'Metadata' }).getByRole('button', { name: '7', exact: true })).toBeVisible()
  await remora.push([{ at: Date.now(), text: 'and another', labels: live }])
  await expect(rows(page).filter({ hasText: 'and another' })).toHaveCount(1)
  await expect(rows(page).filter({ hasText: 'born a moment ago' })).toHaveCount(1)
})

test('live lines come in at the top when the newest stand first', async ({ open, remora }) => {
  const page = await open({ q: '{job="ray/live"}', from: 'now-1h', to: 'now', live: '1', order: 'newest' })
  await expect(page.locator('.live-on')).toBeVisible()
  await remora.push([{ at: Date.now(), text: 'newest of all', labels: live }])
  await expect(rows(page).first()).toContainText('newest of all')
  await expect(rows(page).first()).toBeInViewport({ ratio: 1 })
})

test('lines whose level nobody can tell can be chosen', async ({ open }) => {
  const page = await open()
  await page.getByRole('complementary').getByRole('button', { name: /^unknown/ }).click()
  await expect(queryBox(page)).toHaveText('{job="ray/logs"} | detected_level="unknown"')
  await expect(rows(page).filter({ hasText: '<img src=x' })).toHaveCount(1)
  await expect(rows(page).filter({ hasText: 'step=' })).toHaveCount(0)
})

test('an error is shown in the server’s words and marked where it is', async ({ open, complaints }) => {
  complaints.push(/status of 400/)
  const page = await open()
  await runQuery(page, '{job="ray/logs"} | json | pid=')
  await expect(page.getByRole('alert')).toContainText(/parse error at line 1, col \d+/)
  await expect(page.locator('.cm-error')).toBeVisible()
  await runQuery(page, '{job=oops}')
  await expect(page.locator('.cm-error')).toHaveText('oops')
  await runQuery(page, '{job="ray/logs"}')
  await expect(page.getByRole('alert')).toHaveCount(0)
  await expect(rows(page).last()).toBeVisible()
})

test('an empty answer tells where lines are', async ({ open }) => {
  const page = await open({ q: '{job="ray/logs"} |= "CUDA"', from: 'now-5m', to: 'now' })
  await expect(page.getByRole('heading', { name: 'No lines here' })).toBeVisible()
  await page.getByRole('button', { name: /Go to the newest match, \d+ min ago/ }).click()
  await expect(rows(page)).toHaveCount(1)
})

test('the time range can be typed', async ({ open }) => {
  const page = await open()
  await page.getByRole('button', { name: 'Time range' }).click()
  await page.getByLabel('From').fill('never')
  await expect(page.getByText('“never” is not a time')).toBeVisible()
  await page.getByLabel('From').fill('now-2m')
  await page.getByRole('button', { name: 'Apply' }).click()
  await expect(page.getByRole('button', { name: 'Time range' })).toContainText('Last 2m')
})

test('a metric query draws its series', async ({ open }) => {
  const page = await open()
  await runQuery(page, 'sum by (component) (count_over_time({job="ray/logs"}[5m]))')
  await expect(page.getByRole('rowheader', { name: 'component=raylet' })).toBeVisible()
  await expect(page.getByRole('img', { name: /series over time/ })).toBeVisible()
})

test('nothing in a line or a label is read as markup', async ({ open }) => {
  const page = await open({ q: '{component="hostile"}' })
  await expect(rows(page)).toContainText('<img src=x onerror=alert(1)> red')
  await rows(page).locator('.text').click()
  await expect(page.getByRole('button', { name: '"><script>alert(1)</script>', exact: true })).toBeVisible()
  expect(await page.locator('.lines img, .lines script').count()).toBe(0)
  await expect(page.locator('.ansi-red').first()).toHaveText('red')
})

test('the keyboard is enough', async ({ open }) => {
  const page = await open()
  await expect(rows(page).last()).toContainText('step=599')
  await page.keyboard.press('/')
  await expect(queryBox(page)).toBeFocused()
  await page.keyboard.press('Escape')
  await page.getByRole('treegrid').focus()
  await page.keyboard.press('ArrowUp')
  await page.keyboard.press('ArrowUp')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('list', { name: 'Metadata' })).toBeVisible()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('list', { name: 'Metadata' })).toHaveCount(0)
  await page.keyboard.press('Home')
  await expect(rows(page).first()).toContainText('step=0')
  await page.keyboard.press('?')
  await expect(page.getByRole('dialog', { name: 'Keys' })).toBeVisible()
})

test('dark and light follow the system until one is chosen', async ({ open, page }) => {
  await page.emulateMedia({ colorScheme: 'dark' })
  await open()
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  expect(await background()).toBe('rgb(13, 17, 23)')
  await page.getByRole('button', { name: 'Switch to light colours' }).click()
  expect(await background()).toBe('rgb(245, 247, 249)')
  await page.reload()
  expect(await background()).toBe('rgb(245, 247, 249)')
})

test('a tenant has its own lines, live ones too', async ({ open, remora }) => {
  await remora.push([{ at: Date.now() - MINUTE, text: 'only for team-a' }], 'team-a')
  const page = await open()
  await expect(rows(page).last()).toBeVisible()
  await page.getByRole('button', { name: 'Settings' }).click()
  await page.getByLabel('Tenant').fill('team-a')
  await page.getByRole('button', { name: 'Apply' }).click()
  await expect(rows(page)).toHaveCount(1)
  await expect(rows(page)).toContainText('only for team-a')
  await page.getByRole('button', { name: 'Live' }).click()
  await expect(page.locator('.live-on')).toBeVisible()
  await remora.push([{ at: Date.now(), text: 'live for team-a' }], 'team-a')
  await expect(rows(page).last()).toContainText('live for team-a')
})
