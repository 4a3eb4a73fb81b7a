// Finding old messages: from the box above the list to the message itself, whatever the language, the theme or the state of the server.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { assertAccessible, assertClean, becomes, launch, newPage, picture } from './support/browser.mjs'
import { startDemo } from './support/daemon.mjs'
import { Agent, Visitor } from './support/people.mjs'

const replies = 70

let daemon, owner, browser, path
before(async () => {
  const [demo, chromium] = await Promise.all([startDemo(), launch()])
  ;({ daemon, owner } = demo)
  browser = chromium
  // A long conversation that began with a refund, and one in Chinese.
  const visitors = []
  for (const text of ['🙂 I would like a refund for order 2041', '你好，我要退款，订单 3055', 'Is the celadon cup in stock?']) {
    const visitor = new Visitor(await newPage(browser))
    await visitor.open(`${daemon.url}/demo`)
    await visitor.say(text)
    await visitor.waitForState('Sent', 'Delivered')
    visitors.push(visitor)
  }
  const page = await newPage(browser)
  const agent = new Agent(page, daemon.url)
  await agent.signIn(owner)
  await agent.take('refund for order')
  path = new URL(page.url()).pathname
  for (let n = 1; n <= replies; n++) await agent.say(`Step ${n} of the form`)
  await agent.sees(`Step ${replies} of`)
  await page.getByText('Note', { exact: true }).click()
  await agent.composer.fill('Refund granted, see 退款 3055')
  await agent.composer.press('Enter')
  await agent.sees('Refund granted')
  const ask = async () => (await (await page.context().request.get(`${daemon.url}/api/v1/search?q=refund`)).json()).items.length
  await becomes(ask, 2)
  assertClean(page, ...visitors.map((visitor) => visitor.page))
  await Promise.all([page, ...visitors.map((visitor) => visitor.page)].map((each) => each.context().close()))
})
after(async () => {
  await browser?.close()
  await daemon?.stop()
})

/** Somebody at the inbox, and the results beside the conversations. */
async function signedIn(options = {}, language = 'en') {
  const page = await newPage(browser, { viewport: { width: 1440, height: 900 }, ...options })
  await page.addInitScript((chosen) => localStorage.setItem('parley.language', chosen), language)
  const agent = new Agent(page, daemon.url)
  await agent.signIn(owner)
  const results = page.getByRole('region', { name: language === 'en' ? 'Messages found' : '找到的消息' })
  const box = page.locator('input[type=search]')
  await agent.row('celadon').waitFor()
  return { page, agent, results, box }
}
const inSight = (page, element) => async () => {
  const [bounds, view] = [await element.boundingBox(), page.viewportSize()]
  return bounds !== null && bounds.y > 60 && bounds.y + bounds.height < view.height - 60
}

test('a message is found by its words and opened where it stands', { timeout: 60_000 }, async () => {
  const { page, agent, results, box } = await signedIn()
  await page.keyboard.press('/')
  await page.keyboard.type('refund')
  await page.getByText('No conversation matches').waitFor()  // the newest text of the list's rows is another one
  await page.keyboard.press('Enter')
  await becomes(() => results.locator('mark').allInnerTexts(), ['Refund', 'refund'])
  await becomes(() => results.getByRole('heading').count(), 1)  // one conversation
  await picture(page, 'search-results')

  await results.getByRole('link', { name: 'order 2041' }).click()
  const message = agent.main.locator('article').filter({ hasText: 'refund for order 2041' })
  await becomes(inSight(page, message), true)
  assert.equal(new URL(page.url()).searchParams.get('at'), '1')
  await picture(page, 'search-opened')

  // The same one again, after scrolling away; then another one of the same conversation.
  await page.getByRole('button', { name: 'To the end' }).click()
  await becomes(inSight(page, message), false)
  await results.getByRole('link', { name: 'order 2041' }).click()
  await becomes(inSight(page, message), true)
  await results.getByRole('link', { name: 'granted' }).click()
  await becomes(inSight(page, agent.main.locator('article').filter({ hasText: 'Refund granted' })), true)

  // Query and results are still there after looking at something else.
  await page.goBack()
  assert.equal(await box.inputValue(), 'refund')
  await becomes(() => results.locator('mark').allInnerTexts(), ['Refund', 'refund'])
  await page.reload()
  await becomes(() => results.locator('mark').allInnerTexts(), ['Refund', 'refund'])
  await becomes(inSight(page, message), true)
  await box.press('Escape')
  await agent.row('celadon').waitFor()
  assert.equal(await results.count(), 0)
  assertClean(page)
})

test('Chinese needs two characters and no spaces; pages go on', { timeout: 60_000 }, async () => {
  const { page, results, box } = await signedIn()
  await box.fill('退')
  await box.press('Enter')
  await results.getByText('Write at least two characters').waitFor()
  await box.fill('退款')
  await becomes(() => results.locator('mark').allInnerTexts(), ['退款', '退款'])
  await box.fill('zebra')
  await results.getByText('No message contains “zebra”').waitFor()
  await box.fill('of the form')
  await becomes(() => results.getByRole('link').count(), 20)
  for (let pages = 0; (await results.getByRole('button', { name: 'Show more' }).count()) > 0 && pages < 10; pages++) {
    const shown = await results.getByRole('link').count()
    await results.getByRole('button', { name: 'Show more' }).click()
    await becomes(async () => (await results.getByRole('link').count()) > shown, true)
  }
  assert.equal(await results.getByRole('link').count(), replies)
  assertClean(page)
})

test('a server without an index, or one that fails, says so', { timeout: 60_000 }, async () => {
  const { page, results, box } = await signedIn()
  const answer = (status, code) => page.route('**/api/v1/search?*', (route) => route.fulfill({
    status, contentType: 'application/problem+json', body: JSON.stringify({ type: 'about:blank', title: 'x', status, code, detail: 'x', ref: '0123abcd' }),
  }))
  await answer(501, 'search_not_available')
  await box.fill('refund')
  await box.press('Enter')
  await results.getByText('Search is not available').waitFor()
  await picture(page, 'search-unavailable')
  await page.unroute('**/api/v1/search?*')
  await answer(503, 'busy')
  await box.fill('refund ')
  await box.fill('refund for')
  await results.getByRole('alert').getByText('0123abcd').waitFor()
  await page.unroute('**/api/v1/search?*')
  await results.getByRole('button', { name: 'Retry' }).click()
  await becomes(() => results.locator('mark').allInnerTexts(), ['refund for'])
  assertClean(page)
})

test('in both languages and themes, wide and narrow', { timeout: 90_000 }, async () => {
  for (const language of ['en', 'zh-CN']) {
    for (const dark of [false, true]) {
      const name = `${language.slice(0, 2)}-${dark ? 'dark' : 'light'}`
      const { page, results } = await signedIn({ dark, locale: language === 'en' ? 'en-US' : 'zh-CN' }, language)
      await page.goto(`${daemon.url}${path}?q=${encodeURIComponent('退款')}&in=messages`)
      await becomes(() => results.locator('mark').count(), 2)
      await results.getByRole('link').first().click()
      await page.locator('main article').filter({ hasText: 'Refund granted' }).waitFor()
      await assertAccessible(page, `search, ${name}`)
      await picture(page, `search-${name}`)
      await page.goto(`${daemon.url}/console/inbox/waiting?q=zebra&in=messages`)
      await results.getByText('zebra').waitFor()
      await assertAccessible(page, `nothing found, ${name}`)
      await picture(page, `search-${name}-empty`)
      await page.setViewportSize({ width: 320, height: 640 })
      await page.goto(`${daemon.url}/console/inbox/waiting?q=refund&in=messages`)
      await becomes(() => results.locator('mark').count(), 2)
      await becomes(() => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0)
      await assertAccessible(page, `narrow search, ${name}`)
      await picture(page, `search-${name}-narrow`)
      assertClean(page)
      await page.context().close()
    }
  }
})
