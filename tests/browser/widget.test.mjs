// The widget on somebody else's page: what it costs, what it leaves alone, and how it is used by hand, keyboard and phone.
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

/** Everything under the shadow root as it is drawn: place, size, colours, letters. */
const look = (page) =>
  page.evaluate(() => {
    const properties = [
      'color', 'backgroundColor', 'fontFamily', 'fontSize', 'fontWeight', 'fontStyle', 'letterSpacing', 'wordSpacing', 'lineHeight', 'textAlign', 'textTransform',
      'textIndent', 'direction', 'display', 'visibility', 'opacity', 'width', 'height', 'padding', 'margin', 'borderRadius', 'borderTopWidth', 'borderTopColor', 'boxSizing',
      'float', 'cursor', 'transform', 'filter', 'zIndex', 'outlineStyle',
    ]
    return [...document.querySelector('parley-widget').shadowRoot.querySelectorAll('.pw, .pw *')].map((element) => {
      const style = getComputedStyle(element)
      const { x, y, width, height } = element.getBoundingClientRect()
      // The wrappers stand somewhere in the page and take no room there.
      const place = width && height ? [x, y, width, height] : 'nowhere'
      return `${element.tagName}.${element.getAttribute('class')} ${place} ${properties.map((name) => style[name]).join(';')}`
    })
  })

/** What a site has stored in this browser. */
const stored = (page) =>
  page.evaluate(async () => ({
    cookie: document.cookie, local: Object.keys(localStorage), databases: (await indexedDB.databases()).map(({ name }) => name),
  }))

test('1: a strict policy and hostile styles change nothing, and nothing is stored before the first message', { timeout: 40_000 }, async () => {
  const plainPage = await newPage(browser)
  site.style = 'body { margin: 8px }'
  site.headers = {}
  site.show(snippet)
  const plain = new Visitor(plainPage)
  await plainPage.goto(site.url)
  await plain.launcher.waitFor()
  const launcherAlone = await look(plainPage)
  await plain.open()
  await becomes(() => plain.panel.locator('.banner').count(), 0)
  await plainPage.mouse.move(0, 0)

  site.style = `body { margin: 8px }
    * { letter-spacing: 4px !important; line-height: 3 !important; direction: rtl !important; text-transform: uppercase !important; font: italic 30px serif !important }
    button { background: red !important } div { display: inline !important; color: lime !important; filter: invert(1) !important }
    parley-widget { display: none !important; opacity: .2 !important; transform: scale(2) !important }`
  const policy = [
    "default-src 'none'", "style-src 'self'", `script-src ${daemon.url}`, `connect-src ${daemon.url} ${daemon.url.replace('http', 'ws')}`, `img-src ${daemon.url}`,
    "require-trusted-types-for 'script'", "trusted-types 'none'", 'report-uri /reports',
  ].join('; ')
  site.headers = { 'Content-Security-Policy': policy }
  const page = await newPage(browser)
  await page.addInitScript(() => {
    window.policyReports = []
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => window.policyReports.push(`${violatedDirective} ${blockedURI}`))
  })
  const visitor = new Visitor(page)
  await page.goto(site.url)
  await visitor.launcher.waitFor()
  assert.deepEqual(await look(page), launcherAlone, 'the launcher looks as on a plain page')
  await visitor.open()
  await page.mouse.move(0, 0)
  await becomes(() => look(page), await look(plainPage))
  await visitor.composer.fill('Typed, not sent')
  await page.waitForFunction(() => window.Parley.isOpen)
  assert.deepEqual(await stored(page), { cookie: '', local: [], databases: [] })
  await picture(page, 'widget-1-hostile')

  await visitor.composer.press('Enter')
  await visitor.waitForState('Sent', 'Delivered')
  const after = await stored(page)
  assert.equal(after.cookie, '')
  assert.deepEqual(after.local, [])
  assert.equal(after.databases.length, 1)
  assert.deepEqual(await page.evaluate(() => window.policyReports), [])
  assert.deepEqual(site.reports, [])
  assertClean(page, plainPage)
})

test('2: an unopened widget costs one script and one answer, 7 KB in all, and no socket', { timeout: 20_000 }, async () => {
  site.headers = {}
  site.style = ''
  site.show(snippet)
  const page = await newPage(browser)
  const sizes = new Map()
  const sockets = []
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('Network.enable')
  const names = new Map()
  cdp.on('Network.requestWillBeSent', ({ requestId, request }) => names.set(requestId, request.url))
  cdp.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => sizes.set(names.get(requestId), encodedDataLength))
  cdp.on('Network.webSocketCreated', ({ url }) => sockets.push(url))
  await page.goto(site.url)
  await new Visitor(page).launcher.waitFor()
  await page.waitForLoadState('networkidle')
  const asked = [...sizes].filter(([url]) => url.startsWith(daemon.url))
  assert.deepEqual(asked.map(([url]) => new URL(url).pathname), ['/widget.js', '/api/v1/widget/config'])
  const total = asked.reduce((sum, [, size]) => sum + size, 0)
  assert.ok(total <= 7 * 1024, `${total} bytes`)
  assert.deepEqual(sockets, [])
  await picture(page, 'widget-2-closed')
  assertClean(page)
})

for (const look of ['light', 'dark']) {
  test(`3: everything by keyboard, ${look}`, { timeout: 30_000 }, async () => {
    const page = await newPage(browser, { dark: look === 'dark' })
    const visitor = new Visitor(page)
    await page.goto(`${daemon.url}/demo`)
    await visitor.launcher.waitFor()
    await assertAccessible(page, `closed, ${look}`)
    const focused = () => page.evaluate(() => document.activeElement?.shadowRoot?.activeElement?.className ?? '')
    for (let presses = 0; !(await focused()).includes('pw-launcher'); presses++) {
      assert.ok(presses < 30, 'the launcher is reached by Tab')
      await page.keyboard.press('Tab')
    }
    await page.keyboard.press('Enter')
    await becomes(() => page.evaluate(() => document.activeElement?.shadowRoot?.activeElement?.tagName), 'TEXTAREA')
    await page.keyboard.type('Hello from the keyboard')
    await page.keyboard.press('Enter')
    await visitor.waitForState('Sent', 'Delivered')
    await becomes(visitor.texts, ['Hello from the keyboard'])
    await assertAccessible(page, `open, ${look}`)
    await picture(page, `widget-3-keyboard-${look}`)
    await page.keyboard.press('Escape')
    await becomes(focused, 'pw-launcher')
    await visitor.panel.waitFor({ state: 'hidden' })
    assertClean(page)
  })
}

test('4: an Enter that belongs to an input method sends nothing', { timeout: 20_000 }, async () => {
  const page = await newPage(browser, { locale: 'zh-CN' })
  const visitor = new Visitor(page)
  site.headers = {}
  site.style = ''
  site.show(snippet.replace('async', 'async data-locale="zh-CN"'))
  await visitor.open(site.url)
  await visitor.composer.fill('你好')
  await visitor.composer.evaluate((area) => {
    const enter = (init) => area.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, composed: true, ...init }))
    enter({ isComposing: true })
    enter({ keyCode: 229 })
    area.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true, composed: true, isComposing: true }))
  })
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))))
  assert.deepEqual(await visitor.texts(), [])
  assert.equal(await visitor.composer.inputValue(), '你好')
  assert.ok(await visitor.panel.isVisible(), 'Escape belonged to the input method too')
  await visitor.composer.press('Enter')
  await visitor.waitForState('已发送', '已送达')
  assert.deepEqual(await visitor.texts(), ['你好'])

  // The same in the console.
  const agentPage = await newPage(browser)
  const agent = new Agent(agentPage, daemon.url)
  await agent.signIn(owner)
  await agent.take('你好')
  await agent.composer.fill('您好')
  await agent.composer.evaluate((area) => {
    for (const init of [{ isComposing: true }, { keyCode: 229 }]) area.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, ...init }))
  })
  await agentPage.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))))
  assert.deepEqual(await agent.texts(), ['你好'])
  await agent.composer.press('Enter')
  await becomes(visitor.texts, ['你好', '您好'])
  assert.deepEqual(await agent.texts(), ['你好', '您好'])
  await picture(page, 'widget-4-zh')
  assertClean(page, agentPage)
})

test('13: on a phone the keyboard covers nothing that is needed', { timeout: 30_000 }, async () => {
  site.headers = {}
  site.style = '.long { height: 3000px }'
  site.show(snippet)
  const page = await newPage(browser, { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 })
  // Chromium without a screen has no keyboard that could open, so the visual viewport tells what it would tell.
  await page.addInitScript(() => {
    const seen = new EventTarget()
    let box
    window.setVisualViewport = (next) => {
      box = next
      seen.dispatchEvent(new Event('resize'))
    }
    for (const [name, full] of [['width', () => innerWidth], ['height', () => innerHeight], ['offsetTop', () => 0], ['offsetLeft', () => 0], ['scale', () => 1]]) {
      Object.defineProperty(seen, name, { get: () => box?.[name] ?? full() })
    }
    Object.defineProperty(window, 'visualViewport', { value: seen })
  })
  const visitor = new Visitor(page)
  await page.goto(site.url)
  await visitor.launcher.tap()
  await visitor.composer.waitFor()
  for (let line = 1; line <= 12; line++) await visitor.say(`Line ${line}`)
  await becomes(async () => (await visitor.texts()).length, 12)

  const box = () => visitor.panel.boundingBox()
  await becomes(box, { x: 0, y: 0, width: 390, height: 780 })
  await page.evaluate(() => window.setVisualViewport({ height: 420 }))
  await becomes(box, { x: 0, y: 0, width: 390, height: 420 })
  const composer = await visitor.composer.boundingBox()
  assert.ok(composer.y + composer.height <= 420, 'the composer stands above the keyboard')
  const last = await visitor.panel.locator('.bubble').last().boundingBox()
  assert.ok(last.y + last.height <= composer.y, 'the newest message too')
  assert.ok(parseFloat(await visitor.composer.evaluate((area) => getComputedStyle(area).fontSize)) >= 16, 'a smaller font makes iOS zoom')
  const sendButton = await visitor.panel.locator('.send').boundingBox()
  assert.ok(Math.min(sendButton.width, sendButton.height) >= 40)
  assert.ok(!/maximum-scale|user-scalable/.test(await page.locator('meta[name=viewport]').getAttribute('content')))
  await picture(page, 'widget-13-keyboard')

  await page.evaluate(() => window.scrollTo(0, 500))
  assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).overflowY), 'hidden')
  await page.mouse.move(195, 200)
  await page.mouse.wheel(0, 600)
  const top = await page.evaluate(() => window.scrollY)
  await becomes(() => page.evaluate(() => window.scrollY), top)

  await page.evaluate(() => window.setVisualViewport(undefined))
  await page.setViewportSize({ width: 780, height: 390 })
  await visitor.say('Turned on its side')
  await becomes(async () => (await visitor.texts()).at(-1), 'Turned on its side')
  const turned = await visitor.composer.boundingBox()
  assert.ok(turned.y >= 0 && turned.y + turned.height <= 390)
  await picture(page, 'widget-13-landscape')
  await page.setViewportSize({ width: 390, height: 780 })
  await assertAccessible(page, 'phone')
  await page.keyboard.press('Escape')
  await visitor.panel.waitFor({ state: 'hidden' })
  assert.notEqual(await page.evaluate(() => getComputedStyle(document.documentElement).overflowY), 'hidden', 'the page scrolls again')
  assertClean(page)
})
