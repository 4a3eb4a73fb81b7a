// The console as the place where people spend their day: drafts that stay where they were typed, two languages, two themes, narrow windows.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { assertAccessible, assertClean, becomes, launch, newPage, picture } from './support/browser.mjs'
import { startDemo } from './support/daemon.mjs'
import { HostSite } from './support/network.mjs'
import { Agent, Visitor } from './support/people.mjs'

let daemon, owner, browser, site, snippet
before(async () => {
  const [demo, chromium, host] = await Promise.all([startDemo(), launch(), HostSite.start()])
  ;({ daemon, owner } = demo)
  ;[browser, site] = [chromium, host]
  const { public_key: key } = await daemon.command('site', 'add', '--tenant', 'demo', '--name', 'Corner shop', '--origin', site.url)
  snippet = `<script async src="${daemon.url}/widget.js" data-key="${key}"></script>`
})
after(async () => {
  await browser?.close()
  await Promise.all([daemon?.stop(), site?.stop()])
})

async function visitorSays(text, options) {
  const visitor = new Visitor(await newPage(browser, options))
  await visitor.open(`${daemon.url}/demo`)
  await visitor.say(text)
  await visitor.waitForState('Sent', 'Delivered')
  return visitor
}

test('17: drafts stay in their conversation, and a note never goes to the visitor', { timeout: 60_000 }, async () => {
  const one = await visitorSays('About the celadon cup')
  const two = await visitorSays('About the teapot')
  const page = await newPage(browser)
  const agent = new Agent(page, daemon.url)
  await agent.signIn(owner)
  await agent.take('About the celadon cup')
  await agent.view('Waiting').click()
  await agent.row('About the celadon cup').waitFor({ state: 'detached' })
  await agent.take('About the teapot')
  await agent.view('Mine').click()
  await agent.row('About the teapot').waitFor()  // before the pointer is on the list, which then keeps its order

  await agent.row('About the celadon cup').click()
  await agent.sees('About the celadon cup')
  await agent.composer.fill('It holds 120 ml and')
  await agent.row('About the teapot').click()
  await agent.sees('About the teapot')
  assert.equal(await agent.composer.inputValue(), '')
  await agent.row('Draft:').waitFor()
  await picture(page, 'console-17-draft')
  await page.reload()
  await agent.sees('About the teapot')
  assert.equal(await agent.composer.inputValue(), '')
  await agent.row('Draft:').click()
  await agent.sees('About the celadon cup')
  assert.equal(await agent.composer.inputValue(), 'It holds 120 ml and')

  // Each mode has a draft of its own.
  await page.getByText('Note', { exact: true }).click()
  assert.equal(await agent.composer.inputValue(), '')
  await agent.composer.fill('Knows tea well, offer the gaiwan')
  await page.getByText('Reply', { exact: true }).click()
  assert.equal(await agent.composer.inputValue(), 'It holds 120 ml and')
  await page.getByText('Note', { exact: true }).click()
  assert.equal(await agent.composer.inputValue(), 'Knows tea well, offer the gaiwan')
  await picture(page, 'console-17-note')
  await agent.composer.press('Enter')
  await agent.sees('Knows tea well, offer the gaiwan')
  await page.getByText('Reply', { exact: true }).click()
  await agent.composer.press('End')
  await agent.composer.pressSequentially(' keeps warm.')
  await agent.composer.press('Enter')
  await becomes(one.texts, ['About the celadon cup', 'It holds 120 ml and keeps warm.'])
  await one.page.reload()
  await one.launcher.click()
  await becomes(one.texts, ['About the celadon cup', 'It holds 120 ml and keeps warm.'])
  assert.deepEqual(await two.texts(), ['About the teapot'])
  await becomes(agent.texts, ['About the celadon cup', 'Knows tea well, offer the gaiwan', 'It holds 120 ml and keeps warm.'])
  assertClean(page, one.page, two.page)
})

test('inbox and widget in both languages and themes, wide and narrow', { timeout: 90_000 }, async () => {
  // A day like any other.
  const lan = await visitorSays('你好，请问紫砂壶可以泡绿茶吗？')
  for (const text of ['Hello, does the gaiwan come with a saucer?', 'Can you ship two cups to Lisbon before Friday?']) await visitorSays(text)
  const setupPage = await newPage(browser)
  const setup = new Agent(setupPage, daemon.url)
  await setup.signIn(owner)
  await setup.take('紫砂壶')
  await setup.say('可以的，不过绿茶建议用 **80 °C** 左右的水，盖碗更合适。\n\n- 紫砂壶：乌龙、普洱\n- 盖碗：绿茶、白茶')
  await lan.sees('盖碗更合适')
  await lan.say('明白了！那盖碗有货吗？https://example.com/gaiwan')
  await setup.sees('那盖碗有货吗')
  await setup.say('有的，今天下单明天发出。')
  await lan.sees('明天发出')
  await lan.say('太好了，谢谢！')
  await setup.sees('太好了')
  await picture(lan.page, 'widget-en-light')
  const path = new URL(setupPage.url()).pathname

  for (const locale of ['en-US', 'zh-CN']) {
    for (const dark of [false, true]) {
      const name = `${locale.slice(0, 2)}-${dark ? 'dark' : 'light'}`
      const page = await newPage(browser, { locale, dark, viewport: { width: 1440, height: 900 } })
      await page.addInitScript((language) => localStorage.setItem('parley.language', language), locale.slice(0, 2) === 'zh' ? 'zh-CN' : 'en')
      const agent = new Agent(page, daemon.url)
      await agent.signIn(owner, path)
      await agent.sees('太好了')
      await assertAccessible(page, `inbox, ${name}`)
      await picture(page, `inbox-${name}`)
      if (!dark) {
        await page.setViewportSize({ width: 320, height: 640 })
        const newest = agent.main.locator('article').last()
        const inSight = async () => {
          const [bubble, field] = [await newest.boundingBox(), await agent.composer.boundingBox()]
          return bubble.y > 0 && bubble.y + bubble.height <= field.y
        }
        await becomes(inSight, true)
        const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
        await becomes(overflow, 0)
        await assertAccessible(page, `narrow conversation, ${name}`)
        await picture(page, `inbox-${name}-narrow`)
        await page.goto(`${daemon.url}/console/inbox/waiting`)
        await agent.row('saucer').waitFor()
        await becomes(overflow, 0)
        await assertAccessible(page, `narrow list, ${name}`)
        await picture(page, `inbox-${name}-narrow-list`)
      }
      assertClean(page)
      await page.context().close()
    }
  }

  site.show(snippet.replace('async', 'async data-locale="zh-CN"'))
  const page = await newPage(browser, { locale: 'zh-CN', dark: true, viewport: { width: 420, height: 800 } })
  const visitor = new Visitor(page)
  await visitor.open(site.url)
  await visitor.say('请问有优惠券吗？')
  await visitor.waitForState('已发送', '已送达')
  await assertAccessible(page, 'widget in Chinese, dark')
  await picture(page, 'widget-zh-dark')
  assertClean(page, setupPage, lan.page)
})
