// The browser, its pictures, and the checks that every page has to pass.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { top } from './daemon.mjs'

const require = createRequire(join(top, 'src/web/package.json'))
const { chromium } = require('playwright-core')
const axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
const pictures = resolve(top, process.env.PARLEY_SCREENSHOTS ?? 'build/screenshots')
const wcag = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']

export const patience = 10_000

export const launch = () =>
  chromium.launch({
    executablePath: process.env.PARLEY_CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  })

/** A page of a person of its own: nothing is shared with the others. What goes wrong in it is kept in `page.problems`. */
export async function newPage(browser, { locale = 'en-US', dark = false, viewport = { width: 1280, height: 800 }, ...rest } = {}) {
  const context = await browser.newContext({ locale, colorScheme: dark ? 'dark' : 'light', viewport, reducedMotion: 'reduce', timezoneId: 'UTC', ...rest })
  const page = await context.newPage()
  page.setDefaultTimeout(patience)
  page.problems = []
  page.on('pageerror', (error) => page.problems.push(String(error)))
  page.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url())
    if (/^(http|ws)s?:$/.test(protocol) && hostname !== '127.0.0.1') page.problems.push(`request to ${hostname}`)
  })
  return page
}

/** Call at the end of a test: no page threw, and nothing was asked of a third party. */
export function assertClean(...pages) {
  for (const page of pages) assert.deepEqual(page.problems, [], page.url())
}

export async function picture(page, name, options = {}) {
  mkdirSync(pictures, { recursive: true })
  await page.screenshot({ path: join(pictures, `${name}.png`), animations: 'disabled', ...options })
}

/** Waits until `read()` gives `expected`; fails with the difference. */
export async function becomes(read, expected, timeout = patience) {
  const deadline = Date.now() + timeout
  for (;;) {
    const value = await read()
    if (isDeepStrictEqual(value, expected)) return
    if (Date.now() > deadline) return assert.deepEqual(value, expected)
    await new Promise((wake) => setTimeout(wake, 30))
  }
}

/** WCAG 2.2 AA, open shadow roots included. */
export async function assertAccessible(page, what) {
  await page.evaluate(axeSource)
  const found = await page.evaluate(async (tags) => {
    const { violations } = await window.axe.run(document, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] })
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target.join(' ')} (${failureSummary})`).join(' | ')}`)
  }, wcag)
  assert.deepEqual(found, [], `${what}: accessibility`)
}

/** Marks the loaded document, so that a test can prove that it was never reloaded. */
export const markLoaded = (page) => page.evaluate(() => void (window.loadedOnce = true))
export const wasNotReloaded = (page) => page.evaluate(() => window.loadedOnce === true)
