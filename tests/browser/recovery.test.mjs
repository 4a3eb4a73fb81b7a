// Lines that are cut and a server that dies: nothing is lost, doubled or out of order, and nobody has to reload.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { assertClean, becomes, launch, markLoaded, newPage, picture, wasNotReloaded } from './support/browser.mjs'
import { startDemo } from './support/daemon.mjs'
import { HostSite, Line } from './support/network.mjs'
import { Agent, Visitor } from './support/people.mjs'

const recoveryMs = 5_000

let daemon, owner, browser, site, line
before(async () => {
  const [demo, chromium, host] = await Promise.all([startDemo(), launch(), HostSite.start()])
  ;({ daemon, owner } = demo)
  ;[browser, site] = [chromium, host]
  line = await Line.to(daemon.port)
  const { public_key: key } = await daemon.command('site', 'add', '--tenant', 'demo', '--name', 'Corner shop', '--origin', site.url)
  site.show(`<script async src="${line.url}/widget.js" data-key="${key}"></script>`)
})
after(async () => {
  await browser?.close()
  await Promise.all([site?.stop(), line?.stop()])
  await daemon?.stop()
})

test('5: what was written without a line arrives after a reload, once and in order', { timeout: 60_000 }, async () => {
  const page = await newPage(browser)
  const visitor = new Visitor(page)
  await visitor.open(site.url)
  await visitor.say('a')
  await visitor.waitForState('Sent', 'Delivered')
  const agentPage = await newPage(browser)
  const agent = new Agent(agentPage, daemon.url)
  await agent.signIn(owner)
  await agent.row('a').click()
  await becomes(agent.texts, ['a'])

  line.cut()
  await visitor.say('b')
  await visitor.say('c')
  await becomes(visitor.texts, ['a', 'b', 'c'])
  await visitor.banner.getByText(/Reconnecting/).first().waitFor()
  await visitor.waitForState('Waiting to be sent')
  await picture(page, 'recovery-5-cut')
  await page.reload()
  await visitor.open()
  await becomes(visitor.texts, ['b', 'c'])
  await visitor.banner.getByText(/Reconnecting/).first().waitFor()
  assert.deepEqual(await agent.texts(), ['a'])

  line.restore()
  await becomes(visitor.texts, ['a', 'b', 'c'])
  await becomes(agent.texts, ['a', 'b', 'c'])
  await visitor.waitForState('Sent', 'Delivered', 'Read')
  await becomes(() => visitor.banner.count(), 0)
  assert.equal(await visitor.panel.locator('.message.failed').count(), 0)
  await picture(page, 'recovery-5-back')
  assertClean(agentPage)
})

/** What the outbox on this device holds. */
const kept = (page) =>
  page.evaluate(async () => {
    const [{ name }] = await indexedDB.databases()
    const database = await new Promise((resolve, reject) => Object.assign(indexedDB.open(name), { onsuccess: (event) => resolve(event.target.result), onerror: reject }))
    const rows = await new Promise((resolve) => (database.transaction('rows').objectStore('rows').getAll().onsuccess = (event) => resolve(event.target.result)))
    database.close()
    return rows.filter(({ stored }) => !stored).sort((a, b) => a.created - b.created).map(({ body }) => body.text)
  })

test('5: the first message of all, and the first of a new conversation, survive the same', { timeout: 60_000 }, async () => {
  const page = await newPage(browser)
  const visitor = new Visitor(page)
  const ready = page.waitForEvent('websocket').then((socket) => socket.waitForEvent('framereceived', ({ payload }) => payload.includes('"t":"ready"')))
  await visitor.open(site.url)
  await ready  // the daemon has named the conversation that will be
  line.cut()
  await visitor.say('first')
  await visitor.say('second')
  await becomes(() => kept(page), ['first', 'second'])
  await page.reload()
  await visitor.open()
  line.restore()
  await visitor.waitForState('Sent', 'Delivered')
  await becomes(visitor.texts, ['first', 'second'])

  const agentPage = await newPage(browser)
  const agent = new Agent(agentPage, daemon.url)
  await agent.signIn(owner)
  await agent.take('second')
  await becomes(agent.texts, ['first', 'second'])
  await agentPage.getByRole('button', { name: 'Close conversation' }).click()
  await agentPage.getByRole('dialog').getByRole('button', { name: 'Close conversation' }).click()
  await visitor.panel.getByRole('button', { name: 'Start a new conversation' }).click()
  line.cut()
  await visitor.say('third')
  await visitor.say('fourth')
  await becomes(() => kept(page), ['third', 'fourth'])
  await page.reload()
  await visitor.open()
  line.restore()
  await visitor.waitForState('Sent', 'Delivered')
  await becomes(visitor.texts, ['third', 'fourth'])
  await agent.view('Waiting').click()
  await agent.row('fourth').click()
  await becomes(agent.texts, ['third', 'fourth'])
})

test('5: the agent too writes on while the browser is offline', { timeout: 40_000 }, async () => {
  const page = await newPage(browser)
  const visitor = new Visitor(page)
  await visitor.open(`${daemon.url}/demo`)
  await visitor.say('Anybody there?')
  const agentPage = await newPage(browser)
  const agent = new Agent(agentPage, daemon.url)
  await agent.signIn(owner)
  await agent.take('Anybody there?')
  await agentPage.context().setOffline(true)
  await agentPage.getByText('You are offline.').waitFor()
  await agent.say('one')
  await agent.say('two')
  await becomes(agent.texts, ['Anybody there?', 'one', 'two'])
  await visitor.say('Hello?')
  await visitor.waitForState('Sent')
  await picture(agentPage, 'recovery-5-agent-offline')
  await agentPage.context().setOffline(false)
  await becomes(visitor.texts, ['Anybody there?', 'Hello?', 'one', 'two'])
  await becomes(agent.texts, ['Anybody there?', 'Hello?', 'one', 'two'])
  await agentPage.getByText('Back online').waitFor()
  assertClean(page, agentPage)
})

test('8: a killed server comes back in the middle of a conversation', { timeout: 60_000 }, async () => {
  const page = await newPage(browser)
  const visitor = new Visitor(page)
  await visitor.open(`${daemon.url}/demo`)
  await visitor.say('v1')
  const agentPage = await newPage(browser)
  const agent = new Agent(agentPage, daemon.url)
  await agent.signIn(owner)
  await agent.take('v1')
  await agent.say('a1')
  await visitor.sees('a1')
  await Promise.all([markLoaded(page), markLoaded(agentPage)])

  for (const round of [2, 3]) {
    // Both are writing when the process dies: what is not acknowledged yet has to be offered again.
    await Promise.all([visitor.say(`v${round}`), agent.say(`a${round}`), daemon.kill()])
    await visitor.say(`v${round} after`)
    await agent.say(`a${round} after`)
    await visitor.banner.getByText(/Reconnecting/).first().waitFor()
    await agentPage.getByText(/Reconnecting/).first().waitFor()
    if (round === 2) await Promise.all([picture(page, 'recovery-8-visitor-down'), picture(agentPage, 'recovery-8-agent-down')])
    await daemon.start()
    const started = Date.now()
    const wanted = ['v1', 'a1', ...[2, 3].filter((each) => each <= round).flatMap((each) => [`v${each}`, `v${each} after`, `a${each}`, `a${each} after`])].sort()
    await becomes(async () => (await agent.texts()).sort(), wanted)
    await becomes(async () => (await visitor.texts()).sort(), wanted)
    await visitor.waitForState('Sent', 'Delivered', 'Read')
    const took = Date.now() - started
    assert.ok(took < recoveryMs, `recovered after ${took} ms`)
    const shown = await visitor.texts()
    assert.deepEqual(await agent.texts(), shown, 'both sides show one order')
    for (const [before, behind] of [[`v${round}`, `v${round} after`], [`a${round}`, `a${round} after`]]) {
      assert.ok(shown.indexOf(before) < shown.indexOf(behind), `${before} stands before ${behind}`)
    }
  }
  await becomes(() => visitor.banner.count(), 0)
  assert.ok(await wasNotReloaded(page))
  assert.ok(await wasNotReloaded(agentPage))
  assert.equal(await visitor.panel.locator('.message.failed').count(), 0)
  assert.equal(await agentPage.getByText('Not sent').count(), 0)
  await becomes(() => visitor.title.innerText(), await visitor.panel.locator('.sender').first().innerText())
  await Promise.all([picture(page, 'recovery-8-visitor-back'), picture(agentPage, 'recovery-8-agent-back')])
  assertClean(page, agentPage)
})
