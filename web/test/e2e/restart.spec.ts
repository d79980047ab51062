import { expect, Remora, rows, runQuery, test } from './remora.ts'

test('live mode outlives the server, and the page says when it is away', async ({ page }) => {
  const first = await Remora.start()
  await first.push([{ at: Date.now() - 60_000, text: 'before' }])
  await page.goto(`${first.url}/?live=1`)
  await expect(rows(page).last()).toContainText('before')
  await expect(page.locator('.live-on')).toBeVisible()
  await first.end()
  await expect(page.getByRole('button', { name: 'Reconnecting' })).toBeVisible()

  const second = await Remora.start(first)
  await second.push([{ at: Date.now(), text: 'after' }])
  await expect(rows(page).last()).toContainText('after', { timeout: 30_000 })
  await expect(rows(page)).toHaveCount(2)

  await second.end()
  await runQuery(page, '{job="ray/logs"} |= "before"')
  await expect(page.getByRole('heading', { name: 'The server is away' })).toBeVisible()
  const third = await Remora.start(second)
  await page.getByRole('button', { name: 'Try again' }).click()
  await expect(rows(page)).toHaveCount(1)
  await third.stop()
})

test('a server without lines tells how to send some, and shows the first', async ({ page }) => {
  const remora = await Remora.start()
  await page.goto(remora.url)
  await expect(page.getByRole('heading', { name: 'No Ray logs have arrived yet' })).toBeVisible()
  await expect(page.getByText(`--url ${remora.url}`)).toBeVisible()
  await page.getByRole('button', { name: 'Wait for the first line' }).click()
  await expect(page.locator('.live-on')).toBeVisible()
  await remora.push([{ at: Date.now(), text: 'the first line' }])
  await expect(rows(page)).toContainText('the first line')
  await remora.stop()
})
