// The two people of every conversation, as they use their pages.
import { patience } from './browser.mjs'

export class Visitor {
  constructor(page) {
    this.page = page
    this.launcher = page.locator('parley-widget .pw-launcher')
    this.panel = page.locator('parley-widget .panel')
    this.composer = this.panel.locator('textarea')
    this.title = this.panel.locator('#parley-title')
    this.notice = this.panel.locator('.notice')
    this.banner = this.panel.locator('.banner')
  }

  async open(url) {
    if (url) await this.page.goto(url)
    await this.launcher.click()
    await this.composer.waitFor()
  }

  async say(text) {
    await this.composer.fill(text)
    await this.composer.press('Enter')
  }

  /** Texts of all bubbles, in the order of the screen. */
  texts = () => this.panel.locator('.bubble').allInnerTexts()
  systemLines = () => this.panel.locator('.system').allInnerTexts()

  async sees(text) {
    await this.panel.locator('.list').getByText(text).first().waitFor({ timeout: patience })
  }

  /** The state in words of the newest own message, such as "Sent". */
  async waitForState(...states) {
    await this.panel.locator('.message.own .meta.shown .state').filter({ hasText: new RegExp(`^(${states.join('|')})$`) }).waitFor()
  }
}

export class Agent {
  constructor(page, base) {
    this.page = page
    this.base = base
    this.main = page.locator('main')
    this.composer = page.locator('main form textarea')
    this.title = page.locator('main header h2')
  }

  /** Signed in without the form, which has its own test. */
  async signIn({ email, password }, path = '/console/inbox/waiting') {
    const answer = await this.page.context().request.post(`${this.base}/api/v1/session`, {
      data: { email, password }, headers: { 'X-Parley-CSRF': '1', Origin: this.base },
    })
    if (!answer.ok()) throw new Error(`sign-in: ${answer.status()} ${await answer.text()}`)
    await this.page.goto(this.base + path)
  }

  row(text) {
    return this.page.locator('a[href*="/inbox/"][draggable="false"]').filter({ hasText: text }).first()
  }

  view(name) {
    return this.page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name })
  }

  async take(text) {
    await this.row(text).click()
    await this.sees(text)
    await this.main.locator('header').getByRole('button', { name: 'Take it' }).click()
    await this.composer.waitFor()
  }

  async say(text) {
    await this.composer.fill(text)
    await this.composer.press('Enter')
  }

  /** Texts of all bubbles, in the order of the screen. */
  texts = () => this.main.locator('article .rounded-card').allInnerTexts()

  async sees(text) {
    await this.main.locator('article').filter({ hasText: text }).first().waitFor({ timeout: patience })
  }
}
