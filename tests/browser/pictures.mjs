// Takes the pictures of docs/images anew. Usage: node tests/browser/pictures.mjs
import { join } from 'node:path'
import { becomes, launch, newPage } from './support/browser.mjs'
import { startDemo, top } from './support/daemon.mjs'
import { HostSite } from './support/network.mjs'
import { Agent, Visitor } from './support/people.mjs'

const folder = join(top, 'docs/images')
const [{ daemon, owner }, browser, site] = await Promise.all([startDemo(), launch(), HostSite.start()])
try {
  const { public_key: key } = await daemon.command('site', 'add', '--tenant', 'demo', '--name', 'Kiln & Leaf', '--origin', site.url)
  site.style = 'body { font: 18px/28px "Noto Serif CJK SC", Georgia, serif; background: #FBFAF6; color: #22201B; margin: 32px }'
  site.show(`<script async src="${daemon.url}/widget.js" data-key="${key}"></script>`)

  const page = await newPage(browser, { viewport: { width: 1440, height: 900 } })
  const agent = new Agent(page, daemon.url)
  await agent.signIn(owner)
  const { agent: me } = await (await page.context().request.get(`${daemon.url}/api/v1/session`)).json()
  const named = await page.context().request.patch(`${daemon.url}/api/v1/agents/${me.id}`, { data: { display_name: 'Li Na' }, headers: { 'X-Parley-CSRF': '1', Origin: daemon.url } })
  if (!named.ok()) throw new Error(`not renamed: ${named.status()}`)
  await page.reload()

  const comes = async (text, options) => {
    const visitor = new Visitor(await newPage(browser, options))
    await visitor.open(site.url)
    await visitor.say(text)
    await visitor.waitForState('Sent', 'Delivered', 'Read')
    return visitor
  }
  await comes('Is the celadon cup dishwasher safe?')
  const main = await comes('Hello! Which pot holds the heat best for an oolong?', { viewport: { width: 420, height: 760 }, deviceScaleFactor: 1 })
  await comes('你好，请问紫砂壶可以寄到杭州吗？')
  await comes('My order 2041 arrived, and the lid is chipped. What now?')
  await comes('Do you ship to Lisbon before Friday?')
  for (const text of ['Is the celadon cup', '紫砂壶可以寄', 'Which pot holds']) await agent.take(text)
  await agent.view('All open').click()
  await agent.say('The zisha pot. Its clay is dense, and it keeps the warmth **twice as long** as porcelain.')
  await main.sees('The zisha pot.')
  await main.say('And for green tea?')
  await agent.sees('And for green tea?')
  await agent.say('Rather the gaiwan:\n\n- 80 °C water\n- one minute, lid ajar')
  await main.sees('Rather the gaiwan')
  await main.say('Perfect, I take both. 谢谢！')
  await agent.sees('Perfect')
  await page.getByText('Note', { exact: true }).click()
  await agent.composer.fill('Offer the set price: pot and gaiwan together are 10 % less.')
  await agent.composer.press('Enter')
  await agent.sees('Offer the set price')
  await page.getByText('Reply', { exact: true }).click()
  await agent.say('Good choice. Together they are 10 % less, I have put the set into your cart.')
  await main.sees('Good choice')
  await agent.main.getByText('Read', { exact: true }).waitFor()
  await agent.composer.blur()
  await page.mouse.move(1300, 700)
  await main.waitForState('Read')
  await becomes(() => page.locator('.anim-rise').count(), 0)
  await page.screenshot({ path: join(folder, 'console.png'), animations: 'disabled' })
  await main.page.screenshot({ path: join(folder, 'widget.png'), animations: 'disabled' })
} finally {
  await browser.close()
  await Promise.all([daemon.stop(), site.stop()])
}
