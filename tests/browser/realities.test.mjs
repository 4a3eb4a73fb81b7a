// What browsers do to pages: a tab sleeps, another one is opened beside it, and what was stored is wiped away.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { assertClean, becomes, launch, markLoaded, newPage, picture, wasNotReloaded } from './support/browser.mjs'
import { startDemo } from './support/daemon.mjs'
import { Agent, Visitor } from './support/people.mjs'

let daemon, owner, browser
before(async () => {
  const [demo, chromium] = await Promise.all([startDemo(), launch()])
  ;({ daemon, owner } = demo)
  browser = chromium
})
after(async () => {
  await browser?.close()
  await daemon?.stop()
})

const demo = () => `${daemon.url}/demo`

async function conversation(first) {
  const page = await newPage(browser)
  const visitor = new Visitor(page)
  await visitor.open(demo())
  await visitor.say(first)
  const agentPage = await newPage(browser)
  const agent = new Agent(agentPage, daemon.url)
  await agent.signIn(owner)
  await agent.take(first)
  return { page, visitor, agentPage, agent }
}

test('a laptop that slept through a restart wakes up and shows what was written, once and in order', { timeout: 60_000 }, async () => {
  const { page, visitor, agentPage, agent } = await conversation('before the sleep')
  await markLoaded(page)
  const chrome = await page.context().newCDPSession(page)
  await chrome.send('Page.setWebLifecycleState', { state: 'frozen' })
  for (const text of ['one', 'two']) await agent.say(text)
  await daemon.kill()
  await daemon.start()
  await agent.say('three')
  await becomes(agent.texts, ['before the sleep', 'one', 'two', 'three'])
  await chrome.send('Page.setWebLifecycleState', { state: 'active' })
  await becomes(visitor.texts, ['before the sleep', 'one', 'two', 'three'])
  await visitor.say('good morning')
  await becomes(agent.texts, ['before the sleep', 'one', 'two', 'three', 'good morning'])
  assert.ok(await wasNotReloaded(page))
  assertClean(page, agentPage)
})

test('two tabs of one visitor show the same conversation, whoever of them writes, online or not', { timeout: 60_000 }, async () => {
  const { page, visitor, agentPage, agent } = await conversation('from the first tab')
  const secondPage = await page.context().newPage()
  secondPage.setDefaultTimeout(10_000)
  const second = new Visitor(secondPage)
  await second.open(demo())
  await becomes(second.texts, ['from the first tab'])
  await second.say('from the second')
  await becomes(visitor.texts, ['from the first tab', 'from the second'])
  await Promise.all([visitor.say('at the'), second.say('same time')])
  await becomes(async () => (await agent.texts()).length, 4)
  const order = await agent.texts()
  await becomes(visitor.texts, order)
  await becomes(second.texts, order)

  await page.context().setOffline(true)
  await visitor.say('offline one')
  await second.say('offline two')
  await page.context().setOffline(false)
  await becomes(async () => (await agent.texts()).length, 6)
  const final = await agent.texts()
  assert.deepEqual(final.slice(0, 4), order)
  assert.deepEqual(final.slice(4).sort(), ['offline one', 'offline two'])
  await becomes(visitor.texts, final)
  await becomes(second.texts, final)
  await picture(secondPage, 'realities-second-tab')
  assertClean(page, agentPage)
})

test('a tab that is closed with unsent words hands them to the next one', { timeout: 60_000 }, async () => {
  const { page, visitor, agentPage, agent } = await conversation('hello')
  const secondPage = await page.context().newPage()
  secondPage.setDefaultTimeout(10_000)
  const second = new Visitor(secondPage)
  await second.open(demo())
  await becomes(second.texts, ['hello'])
  await page.context().setOffline(true)
  await second.say('written in a tab that is gone')
  await becomes(second.texts, ['hello', 'written in a tab that is gone'])
  await secondPage.close()
  await page.context().setOffline(false)
  await page.reload()
  await visitor.open()
  await becomes(agent.texts, ['hello', 'written in a tab that is gone'])
  await becomes(visitor.texts, ['hello', 'written in a tab that is gone'])
  assertClean(page, agentPage)
})

test('who wipes the storage begins as somebody new, and the open page still works', { timeout: 60_000 }, async () => {
  const { page, visitor, agentPage, agent } = await conversation('who am I?')
  const chrome = await page.context().newCDPSession(page)
  await chrome.send('Storage.clearDataForOrigin', { origin: daemon.url, storageTypes: 'all' })
  await visitor.say('still here')
  await becomes(agent.texts, ['who am I?', 'still here'])
  await visitor.waitForState('Sent', 'Delivered', 'Read')
  await chrome.send('Storage.clearDataForOrigin', { origin: daemon.url, storageTypes: 'all' })
  await page.reload()
  await visitor.open()
  await visitor.say('somebody new')
  await becomes(visitor.texts, ['somebody new'])
  await agent.view('Waiting').click()
  await agent.row('somebody new').waitFor()
  assertClean(page, agentPage)
})
