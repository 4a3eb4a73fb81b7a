// From an empty server to a closed conversation, as the people concerned live through it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { assertAccessible, assertClean, becomes, launch, newPage, picture } from './support/browser.mjs'
import { Daemon } from './support/daemon.mjs'
import { HostSite } from './support/network.mjs'
import { Agent, Visitor } from './support/people.mjs'

let daemon, browser, site
before(async () => {
  ;[daemon, browser, site] = await Promise.all([Daemon.start(), launch(), HostSite.start()])
})
after(async () => {
  await browser?.close()
  await Promise.all([daemon?.stop(), site?.stop()])
})

const ada = { name: 'Ada Lin', email: 'ada@example.com', password: 'a sentence to sign in' }
const bo = { name: 'Bo Chen', email: 'bo@example.com', password: 'another long sentence' }

test('from the set-up code to a closed conversation and the next one', { timeout: 90_000 }, async () => {
  // First run: the owner, the site, the line of HTML.
  const ownerPage = await newPage(browser)
  const owner = new Agent(ownerPage, daemon.url)
  await ownerPage.goto(`${daemon.url}/console/`)
  await ownerPage.getByRole('heading', { name: 'Welcome to Parley' }).waitFor()
  await assertAccessible(ownerPage, 'set-up')
  await ownerPage.getByLabel('Set-up code').fill('AAAA-BBBB-CCCC')
  await ownerPage.getByLabel('Your name').fill(ada.name)
  await ownerPage.getByLabel('Email').fill(ada.email)
  await ownerPage.getByLabel('Password', { exact: true }).fill(ada.password)
  await ownerPage.getByLabel('Name of the organisation').fill('Corner shop')
  await ownerPage.getByRole('button', { name: 'Create account and continue' }).click()
  await ownerPage.getByText('This is not the code of this server.').waitFor()
  await picture(ownerPage, 'story-1-setup', { fullPage: true })
  await ownerPage.getByLabel('Set-up code').fill(daemon.setupCode())
  await ownerPage.getByRole('button', { name: 'Create account and continue' }).click()
  await ownerPage.getByLabel('Addresses of the site').fill(site.url)
  await ownerPage.getByRole('button', { name: 'Create the site' }).click()
  await ownerPage.getByText('Waiting for your site…').waitFor()
  const snippet = await ownerPage.locator('pre, code').filter({ hasText: '<script' }).first().innerText()
  site.show(snippet.trim())

  // Two visitors write; the page of the owner notices by itself.
  const [firstPage, secondPage] = [await newPage(browser), await newPage(browser)]
  const [first, second] = [new Visitor(firstPage), new Visitor(secondPage)]
  await first.open(site.url)
  await first.say('Do you sell stamps?')
  await first.waitForState('Sent', 'Delivered')
  await ownerPage.getByText('Connected: the first conversation is here').waitFor()
  await picture(ownerPage, 'story-2-connected')
  await ownerPage.getByRole('button', { name: 'Go to the inbox' }).click()
  await owner.row('Do you sell stamps?').waitFor()
  await second.open(site.url)
  await second.say('Is there oat milk?')
  await owner.row('Is there oat milk?').waitFor()
  await second.notice.getByText('You are number 2 in the queue').waitFor()
  await first.notice.getByText('You are next').waitFor()
  await picture(secondPage, 'story-3-queue')

  // The owner signs out and in again, through the form.
  await ownerPage.getByRole('button', { name: /^Your account/ }).click()
  await ownerPage.getByRole('menuitem', { name: 'Sign out' }).click()
  await ownerPage.getByLabel('Email').fill(ada.email)
  await ownerPage.getByLabel('Password', { exact: true }).fill('not the password')
  await ownerPage.getByRole('button', { name: 'Sign in' }).click()
  await ownerPage.getByText('Email and password do not match.').waitFor()
  await assertAccessible(ownerPage, 'sign-in')
  await picture(ownerPage, 'story-4-sign-in')
  await ownerPage.getByLabel('Password', { exact: true }).fill(ada.password)
  await ownerPage.getByRole('button', { name: 'Sign in' }).click()

  // The one who waits longest is taken; the other moves up.
  await owner.take('Do you sell stamps?')
  await becomes(() => first.title.innerText(), ada.name)
  await first.sees(`${ada.name} joined`)
  await second.notice.getByText('You are next').waitFor()
  await owner.say('Yes, and *airmail* ones too.')
  await first.sees('Yes, and')
  await first.say('Five please')
  await owner.sees('Five please')
  await becomes(owner.texts, ['Do you sell stamps?', 'Yes, and airmail ones too.', 'Five please'])
  await becomes(first.texts, ['Do you sell stamps?', 'Yes, and airmail ones too.', 'Five please'])

  await first.waitForState('Read')

  // A colleague is made in the settings and signs in.
  await ownerPage.getByRole('link', { name: 'Settings' }).click()
  await ownerPage.getByRole('link', { name: 'People' }).click()
  await ownerPage.getByRole('button', { name: 'Add a person' }).click()
  const dialog = ownerPage.getByRole('dialog')
  await dialog.getByLabel('Name').fill(bo.name)
  await dialog.getByLabel('Email').fill(bo.email)
  await dialog.getByLabel('First password').fill(bo.password)
  await dialog.getByRole('button', { name: 'Add', exact: true }).click()
  await ownerPage.getByText(`${bo.name} was added`).waitFor()
  await assertAccessible(ownerPage, 'people')
  await picture(ownerPage, 'story-5-people')
  const boPage = await newPage(browser)
  const colleague = new Agent(boPage, daemon.url)
  await colleague.signIn(bo, '/console/inbox/mine')
  await boPage.getByText('You have no open conversations').waitFor()

  // Transfer, with a note the visitor never gets.
  await ownerPage.goto(`${daemon.url}/console/inbox/mine`)
  await owner.row('Five please').click()
  await ownerPage.getByRole('button', { name: 'Transfer' }).click()
  await dialog.getByText(bo.name).click()
  await dialog.getByLabel('Note for the next person').fill('Wants five airmail stamps')
  await picture(ownerPage, 'story-6-transfer')
  await dialog.getByRole('button', { name: 'Transfer' }).click()
  await colleague.row('Five please').click()
  await boPage.getByText('Wants five airmail stamps').first().waitFor()
  await becomes(() => first.title.innerText(), bo.name)
  await first.sees(`Transferred to ${bo.name}`)
  await colleague.say('Here is Bo. They are on the way.')
  await first.sees('They are on the way.')
  assert.ok(!(await first.panel.innerText()).includes('airmail stamps'), 'a note is not for visitors')
  await first.composer.pressSequentially('Thank')
  await boPage.getByText(/is typing/).waitFor()
  await picture(boPage, 'story-7-transferred')
  await first.say('Thank you!')
  await colleague.sees('Thank you!')

  // The end, and a new beginning.
  await boPage.getByRole('button', { name: 'Close conversation' }).click()
  await boPage.getByRole('dialog').getByRole('button', { name: 'Close conversation' }).click()
  await first.sees('The conversation has ended')
  await picture(firstPage, 'story-8-ended')
  await firstPage.locator('parley-widget').getByRole('button', { name: 'Start a new conversation' }).click()
  await becomes(first.texts, [])
  await first.say('One more thing: envelopes?')
  await becomes(first.texts, ['One more thing: envelopes?'])
  await ownerPage.goto(`${daemon.url}/console/inbox/waiting`)
  await owner.row('One more thing: envelopes?').click()
  await becomes(owner.texts, ['One more thing: envelopes?'])
  await first.notice.getByText('You are number 2 in the queue').waitFor()
  await firstPage.reload()
  await first.launcher.click()
  await becomes(first.texts, ['One more thing: envelopes?'])
  await owner.view('Closed').click()
  await owner.row('Thank you!').click()
  await owner.sees('Thank you!')
  assert.deepEqual((await owner.texts()).at(-1), 'Thank you!', 'the new text is not in the old conversation')
  await picture(ownerPage, 'story-9-closed')
  assertClean(ownerPage, boPage, firstPage, secondPage)
})
