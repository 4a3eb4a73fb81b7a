import { describe, expect, it } from 'vitest'
import type { Entry, SendFrame } from './frames'
import { agentId, visitorId } from './testing/fake-server'
import { Browser, screen, tabStorage } from './testing/fixture'

const text = (value: string) => ({ type: 'text' as const, body: { text: value } })

async function live(options: Parameters<Browser['open']>[0] = {}, reservedEpoch?: string) {
  const browser = new Browser()
  if (reservedEpoch !== undefined) browser.server.reservedEpoch = reservedEpoch
  const page = browser.open(options)
  page.client.start()
  await browser.clock.pass(50)
  expect(page.client.state.phase).toBe('live')
  const say = (value: string) => page.client.send(page.client.current ?? '', text(value))
  return { browser, ...page, say, server: browser.server, clock: browser.clock }
}

describe('sending', () => {
  it('shows a message at once, then as sent, in the same place and under the same key', async () => {
    const { client, clock, say } = await live()
    say('Hello')
    expect(screen(client)).toEqual(['Hello sending'])
    const key = client.conversation(client.current ?? '').items[0]?.key
    await clock.pass(10)
    expect(screen(client)).toEqual(['Hello sent'])
    expect(client.conversation(client.current ?? '').items[0]?.key).toBe(key)
  })

  it('shows it once when the entry comes before the ack', async () => {
    const { client, clock, server, say } = await live()
    server.echoFirst = true
    say('Hello')
    await clock.pass(10)
    expect(screen(client)).toEqual(['Hello sent'])
  })

  it('shows it as sent when only the ack arrives, and fills the hole with the next entry', async () => {
    const { client, clock, server, say } = await live()
    server.dropEchoes = true
    say('Hello')
    await clock.pass(10)
    expect(screen(client)).toEqual(['Hello sent'])
    server.dropEchoes = false
    server.agentSays('Hi')
    await clock.pass(10)
    expect(screen(client)).toEqual(['Hello sent', 'Hi sent'])
  })

  it('takes the ack for the entry where none follows', async () => {
    const { client, clock, server, say } = await live({}, '')
    say('Hello')
    await clock.pass(10)
    say('again')
    await clock.pass(10)
    server.agentSays('Hi')
    await clock.pass(3_000)
    expect(screen(client)).toEqual(['Hello sent', 'again sent', 'Hi sent'])
    expect(server.received.filter(({ t }) => t === 'sync')).toEqual([])
    expect(server.received.filter(({ t }) => t === 'rcv').at(-1)).toMatchObject({ upto: 3 })
    server.close(1006)
    await clock.pass(6_000)
    expect(server.hellos.at(-1)).toMatchObject({ echo: false, cursors: { [server.conv]: ['k3f9', 3] } })
    expect(screen(client)).toEqual(['Hello sent', 'again sent', 'Hi sent'])
  })

  it('asks for what is missing before such an ack', async () => {
    const { client, clock, server, say } = await live()
    say('Hello')
    await clock.pass(10)
    server.dropEchoes = true
    server.agentSays('lost on the way')
    server.dropEchoes = false
    say('again')
    await clock.pass(1)
    expect(screen(client)).toEqual(['Hello sent', 'again sent'])
    await clock.pass(10)
    expect(screen(client)).toEqual(['Hello sent', 'lost on the way sent', 'again sent'])
    expect(server.received.filter(({ t }) => t === 'sync')).toHaveLength(1)
  })

  it('shows what was given up on its way and is stored all the same', async () => {
    const { client, clock, server, say } = await live()
    say('Hello')
    await clock.pass(10)
    const local = say('too slow')
    await clock.pass(0)
    client.discard(local)
    await clock.pass(20)
    expect(server.texts()).toEqual(['Hello', 'too slow'])
    expect(screen(client)).toEqual(['Hello sent', 'too slow sent'])
  })

  it('passes over an echo that comes twice', async () => {
    const { client, clock, server, say } = await live()
    say('Hello')
    await clock.pass(10)
    server.push(server.entries[0] as Entry & { t: 'entry' })
    await clock.pass(10)
    expect(screen(client)).toEqual(['Hello sent'])
  })

  it('repeats the same n when the ack was lost with the connection', async () => {
    const { client, clock, server, say } = await live()
    server.dropAcks = true
    server.dropEchoes = true
    say('Hello')
    await clock.pass(10)
    server.dropAcks = false
    server.dropEchoes = false
    server.close(1006)
    await clock.pass(6_000)
    expect(screen(client)).toEqual(['Hello sent'])
    expect(server.texts()).toEqual(['Hello'])
    expect(new Set(server.sends().map(({ n, dev }) => `${dev}|${n}`)).size).toBe(1)
  })

  it('fails after 15 s without an answer, and the retry is the same send', async () => {
    const { client, clock, server, say } = await live()
    server.dropAcks = true
    server.dropEchoes = true
    const local = say('Hello')
    await clock.pass(16_000)
    expect(screen(client)).toEqual(['Hello failed'])
    expect(client.conversation(client.current ?? '').items[0]?.failure?.code).toBe('timeout')
    server.dropAcks = false
    client.retry(local)
    await clock.pass(10)
    expect(screen(client)).toEqual(['Hello sent'])
    expect(server.texts()).toEqual(['Hello'])
  })

  it('keeps at most 16 sends without an answer', async () => {
    const { clock, server, say } = await live()
    server.dropAcks = true
    server.dropEchoes = true
    for (let i = 1; i <= 20; i++) say(`m${i}`)
    await clock.pass(10)
    expect(server.sends()).toHaveLength(16)
  })

  it('goes back to the refused one after 429, and keeps the order', async () => {
    const { client, clock, server, say } = await live()
    let limited = true
    server.refuse = () => (limited ? { status: 429, code: 'rate', retry: true, after_ms: 2_000 } : undefined)
    for (const word of ['a', 'b', 'c']) say(word)
    await clock.pass(1_000)
    expect(screen(client)).toEqual(['a sending', 'b sending', 'c sending'])
    limited = false
    await clock.pass(1_000)
    expect(server.sends()).toHaveLength(3)
    await clock.pass(510)
    expect(server.texts()).toEqual(['a', 'b', 'c'])
    expect(screen(client)).toEqual(['a sent', 'b sent', 'c sent'])
  })

  it('holds everything back while the server asks for a pause, and keeps the order', async () => {
    const { client, clock, server, say } = await live()
    say('a')
    await clock.pass(10)
    server.push({ t: 'slow', pause_ms: 1_000 })
    for (const word of ['b', 'c']) say(word)
    await clock.pass(1_200)
    expect(screen(client)).toEqual(['a sent', 'b queued', 'c queued'])
    expect(server.sends()).toHaveLength(1)
    await clock.pass(60)
    expect(screen(client)).toEqual(['a sent', 'b sent', 'c sent'])
    expect(server.texts()).toEqual(['a', 'b', 'c'])
  })

  it('repeats what was refused only after the pause that came with it', async () => {
    const { client, clock, server, say } = await live()
    let full = true
    server.refuse = () => (full ? { status: 507, code: 'journal_full', retry: true, after_ms: 100 } : undefined)
    for (const word of ['a', 'b', 'c']) say(word)
    await clock.pass(10)
    server.push({ t: 'slow', pause_ms: 2_000 })
    await clock.pass(1)
    expect(screen(client)).toEqual(['a queued', 'b queued', 'c queued'])
    full = false
    say('d')
    await clock.pass(2_400)
    expect(server.sends()).toHaveLength(3)
    await clock.pass(200)
    expect(server.texts()).toEqual(['a', 'b', 'c', 'd'])
    expect(server.sends().map(({ n }) => n)).toEqual([1, 2, 3, 1, 2, 3, 4])
  })

  it('resends from the expected n after 412', async () => {
    const { client, clock, server, say } = await live()
    let lose = true
    const real = server.refuse
    server.refuse = (frame) => {
      if (!lose || frame.n !== 1) return real?.(frame)
      lose = false
      return { status: 412, code: 'out_of_order', retry: true, expected: 1 }
    }
    say('a')
    say('b')
    await clock.pass(100)
    expect(server.texts()).toEqual(['a', 'b'])
    expect(screen(client)).toEqual(['a sent', 'b sent'])
  })

  it('shows a refusal with its reason; the retry is a new send', async () => {
    const { client, clock, server, say } = await live()
    server.refuse = (frame) => ((frame.body as { text: string }).text === 'bad'
      ? { status: 422, code: 'filtered', retry: false, message: 'Not allowed.' } : undefined)
    const local = say('bad')
    await clock.pass(10)
    expect(screen(client)).toEqual(['bad failed'])
    expect(client.conversation(client.current ?? '').items[0]?.failure).toEqual({ code: 'filtered', message: 'Not allowed.', ref: 'r1' })
    server.refuse = undefined
    client.retry(local)
    await clock.pass(10)
    expect(server.sends().map(({ n }) => n)).toEqual([1, 2])
    expect(screen(client)).toEqual(['bad sent'])
  })

  it('deletes a failed message and gives its text back', async () => {
    const { client, clock, server, say } = await live()
    server.refuse = () => ({ status: 422, code: 'filtered', retry: false })
    const local = say('bad')
    await clock.pass(10)
    expect(client.discard(local)).toBe('bad')
    expect(screen(client)).toEqual([])
  })

  it('closes the hole of a deleted message that may have been stored with void', async () => {
    const { client, clock, server, say } = await live()
    server.reachable = false
    const local = say('a')
    await clock.pass(10)
    client.discard(local)
    expect(screen(client)).toEqual([])
    server.close(1006)
    server.reachable = true
    await clock.pass(6_000)
    say('b')
    await clock.pass(10)
    expect(server.sends().map(({ n, type }) => `${n} ${type}`)).toEqual(['1 void', '2 text'])
    expect(server.texts()).toEqual(['b'])
  })

  it('fills a hole in its own counting with void', async () => {
    const browser = new Browser()
    const storage = tabStorage()
    const first = browser.open({ storage, role: 'agent' })
    first.client.start()
    await browser.clock.pass(50)
    first.client.send(browser.server.conv, text('a'))
    await browser.clock.pass(10)
    browser.server.reachable = false
    // An action is not carried out by a later page, but its number is used up.
    void first.client.act(browser.server.conv, { type: 'close', body: {} })
    await browser.clock.pass(10)
    first.close()
    browser.server.reachable = true
    const second = browser.open({ storage, role: 'agent' })
    second.client.start()
    await browser.clock.pass(50)
    second.client.send(browser.server.conv, text('b'))
    await browser.clock.pass(50)
    expect(browser.server.texts()).toEqual(['a', 'b'])
    expect(browser.server.sends().map(({ n, type }) => `${n} ${type}`)).toEqual(['1 text', '3 text', '2 void', '3 text'])
  })

  it('moves the text into the new conversation when the old one is closed for good', async () => {
    const { client, clock, server, say } = await live()
    const moves: unknown[] = []
    client.on('moved', (move) => moves.push(move))
    const old = client.current
    server.refuse = (frame) => (frame.conv === old ? { status: 410, code: 'closed', retry: false, to: '999' } : undefined)
    say('Hello again')
    await clock.pass(2)
    server.conv = '999'
    await clock.pass(20)
    expect(moves).toEqual([{ from: old, to: '999' }])
    expect(client.current).toBe('999')
    expect(screen(client)).toEqual(['Hello again sent'])
    expect(screen(client, old)).toEqual([])
  })

  it('begins a new conversation under the id that was kept ready, and stays there over a reconnect', async () => {
    const { client, clock, server, say } = await live()
    say('Hello')
    await clock.pass(20)
    const old = server.conv
    server.status = 'closed'
    const reserved = (conv: string) =>
      server.push({ t: 'resumed', conv: { ...server.info(), conv, epoch: '', head: 0, status: 'new' }, state: 'ok' })
    reserved('998')
    expect(client.current).toBe(old)
    client.startNew()
    expect(client.current).toBe('998')
    expect(screen(client)).toEqual([])

    server.close(1006)
    await clock.pass(600)
    reserved('999')
    expect(client.current).toBe('999')
    expect(screen(client)).toEqual([])
    say('Another thing')
    await clock.pass(2)
    expect(server.sends().at(-1)).toMatchObject({ conv: '999', n: 1, body: { text: 'Another thing' } })
  })

  it('shows the new conversation that another tab began', async () => {
    const { client, clock, server, say } = await live()
    say('Hello')
    await clock.pass(20)
    server.push({ t: 'resumed', conv: { ...server.info(), conv: '998', epoch: '', head: 0, status: 'new' }, state: 'ok' })
    server.push({ t: 'entry', conv: '998', seq: 1, id: '1', ts: clock.wall(), rev: 1, type: 'text', from: { k: 'v', id: visitorId }, body: { text: 'Again' } })
    expect(client.current).toBe('998')
    expect(screen(client)).toEqual(['Again sent'])
  })

  it('takes what was written under an id that the server forgot to the present conversation, in order', async () => {
    const { client, clock, server, say } = await live()
    server.refuse = (frame) => (frame.conv === '998' ? { status: 404, code: 'unknown_conv', retry: false } : undefined)
    client.send('998', { type: 'text', body: { text: 'a' } })
    client.send('998', { type: 'text', body: { text: 'b' } })
    await clock.pass(50)
    say('c')
    await clock.pass(50)
    expect(server.texts()).toEqual(['a', 'b', 'c'])
    expect(screen(client)).toEqual(['a sent', 'b sent', 'c sent'])
  })

  it('takes a new dev when its number belongs to another text', async () => {
    const { clock, server, say } = await live()
    const first = server.hellos[0]?.dev
    server.refuse = (frame) => (frame.dev === first ? { status: 409, code: 'id_conflict', retry: false } : undefined)
    say('Hello')
    await clock.pass(50)
    expect(server.texts()).toEqual(['Hello'])
    expect(server.sends().at(-1)).toMatchObject({ n: 1 })
    expect(server.sends().at(-1)?.dev).not.toBe(first)
  })

  it('refuses what is too large before it is sent', async () => {
    const { client, clock, server, say } = await live()
    say('x'.repeat(20_000))
    await clock.pass(10)
    expect(server.sends()).toEqual([])
    expect(screen(client)[0]).toMatch(/failed$/)
  })
})

describe('writing without a connection', () => {
  it('queues, survives a reload, and sends in order, once', async () => {
    const browser = new Browser()
    const storage = tabStorage()
    const first = browser.open({ storage })
    first.client.start()
    await browser.clock.pass(50)
    const conv = first.client.current ?? ''
    first.client.send(conv, text('a'))
    await browser.clock.pass(10)
    browser.server.reachable = false
    browser.server.close(1006)
    first.client.send(conv, text('b'))
    first.client.send(conv, text('c'))
    await browser.clock.pass(10)
    expect(screen(first.client)).toEqual(['a sent', 'b queued', 'c queued'])
    first.close()

    const second = browser.open({ storage })
    second.client.start()
    await browser.clock.pass(50)
    expect(screen(second.client)).toEqual(['b queued', 'c queued'])
    browser.server.reachable = true
    await browser.clock.pass(6_000)
    expect(browser.server.texts()).toEqual(['a', 'b', 'c'])
    expect(screen(second.client)).toEqual(['a sent', 'b sent', 'c sent'])
  })

  it('keeps what was written before the conversation was known', async () => {
    const browser = new Browser()
    browser.server.reachable = false
    const { client } = browser.open()
    client.start()
    client.send('', text('Hello'))
    await browser.clock.pass(100)
    expect(screen(client)).toEqual(['Hello queued'])
    browser.server.reachable = true
    await browser.clock.pass(6_000)
    expect(browser.server.texts()).toEqual(['Hello'])
    expect(screen(client)).toEqual(['Hello sent'])
  })

  it('gives no number to a message before it goes on a wire', async () => {
    const { browser, client, clock, server } = await live()
    server.close(1006)
    client.send(client.current ?? '', text('a'))
    await clock.pass(1)
    expect((await browser.store.load()).rows[0]?.n).toBeUndefined()
  })

  it('repeats the same number after a reload that lost the answer', async () => {
    const browser = new Browser()
    const storage = tabStorage()
    const first = browser.open({ storage })
    first.client.start()
    await browser.clock.pass(50)
    browser.server.dropAcks = true
    browser.server.dropEchoes = true
    first.client.send(first.client.current ?? '', text('a'))
    await browser.clock.pass(10)
    first.close()
    browser.server.dropAcks = false
    browser.server.dropEchoes = false
    const second = browser.open({ storage })
    second.client.start()
    await browser.clock.pass(50)
    expect(browser.server.texts()).toEqual(['a'])
    expect(screen(second.client)).toEqual(['a sent'])
    second.client.send(second.client.current ?? '', text('b'))
    await browser.clock.pass(10)
    expect(browser.server.texts()).toEqual(['a', 'b'])
  })

  it('drops what was written more than a day ago', async () => {
    const browser = new Browser()
    browser.server.reachable = false
    const storage = tabStorage()
    const first = browser.open({ storage })
    first.client.start()
    first.client.send('', text('old'))
    await browser.clock.pass(10)
    first.close()
    browser.clock.wallOffset += 25 * 3_600_000
    browser.server.reachable = true
    const second = browser.open({ storage })
    second.client.start()
    await browser.clock.pass(50)
    expect(browser.server.texts()).toEqual([])
  })

  it('adopts the outbox of a dead tab under its old dev and n', async () => {
    const browser = new Browser()
    const first = browser.open()
    first.client.start()
    await browser.clock.pass(50)
    browser.server.reachable = false
    first.client.send(first.client.current ?? '', text('a'))
    await browser.clock.pass(10)
    const dev = browser.server.hellos[0]?.dev
    first.close()
    browser.server.reachable = true
    const other = browser.open()
    other.client.start()
    await browser.clock.pass(50)
    expect(browser.server.sends().map((send) => `${send.dev} ${send.n}`)).toEqual([`${dev} 1`])
    expect(browser.server.hellos[1]?.dev).not.toBe(dev)
    expect(screen(other.client)).toEqual(['a sent'])
    other.client.send(browser.server.conv, text('b'))
    await browser.clock.pass(10)
    expect(browser.server.sends().at(-1)).toMatchObject({ n: 1, dev: browser.server.hellos[1]?.dev })
  })

  it('leaves the outbox of a living tab alone', async () => {
    const browser = new Browser()
    browser.server.reachable = false
    const first = browser.open()
    first.client.start()
    first.client.send('', text('mine'))
    await browser.clock.pass(10)
    const other = browser.open()
    other.client.start()
    await browser.clock.pass(10)
    expect(screen(other.client, '')).toEqual([])
  })

  it('gives a duplicated tab a dev of its own', async () => {
    const browser = new Browser()
    const storage = tabStorage()
    const first = browser.open({ storage })
    first.client.start()
    first.client.send('', text('a'))
    await browser.clock.pass(50)
    const copy = browser.open({ storage })
    copy.client.start()
    await browser.clock.pass(50)
    expect(browser.server.hellos[0]?.dev).not.toBe(browser.server.hellos[1]?.dev)
  })

  it('does not send the texts of another person', async () => {
    const browser = new Browser()
    const first = browser.open()
    first.client.start()
    await browser.clock.pass(50)
    browser.server.reachable = false
    first.client.send(first.client.current ?? '', text('private'))
    await browser.clock.pass(10)
    first.close()
    browser.server.reachable = true
    browser.server.principal = '555'
    const second = browser.open()
    const discarded: unknown[] = []
    second.client.on('discarded', (rows) => discarded.push(...rows))
    second.client.start()
    await browser.clock.pass(50)
    expect(browser.server.texts()).toEqual([])
    expect(discarded).toEqual([{ conv: browser.server.conv, text: 'private' }])
  })

  it('marks as unverified what was on a wire when the server forgot this sender', async () => {
    const { client, clock, server, say } = await live()
    say('a')
    await clock.pass(10)
    server.dropAcks = true
    server.dropEchoes = true
    say('b')
    await clock.pass(10)
    server.dropAcks = false
    server.dropEchoes = false
    server.loseHistory('k3f9', server.entries.slice(0, 1))
    server.close(1006)
    say('c')
    await clock.pass(6_000)
    expect(screen(client)).toEqual(['a sent', 'c sent', 'b failed'])
    expect(client.conversation(client.current ?? '').items[2]?.failure?.code).toBe('unverified')
  })
})

describe('receiving', () => {
  it('puts reordered entries in order', async () => {
    const { client, clock, server } = await live()
    server.status = 'active'
    server.holdEntries = []
    for (const word of ['1', '2', '3']) server.agentSays(word)
    const [one, two, three] = server.holdEntries as (Entry & { t: 'entry' })[]
    for (const entry of [three, one, two]) if (entry) server.push(entry)
    await clock.pass(10)
    expect(screen(client)).toEqual(['1 sent', '2 sent', '3 sent'])
  })

  it('asks for what is missing', async () => {
    const { client, clock, server } = await live()
    server.agentSays('1')
    server.dropEchoes = true
    server.agentSays('2')
    server.dropEchoes = false
    server.agentSays('3')
    await clock.pass(10)
    expect(screen(client)).toEqual(['1 sent', '2 sent', '3 sent'])
    expect(server.received.filter(({ t }) => t === 'sync')).toHaveLength(1)
  })

  it('counts hidden entries when it looks for holes', async () => {
    const { client, clock, server } = await live()
    server.agentSays('1')
    server.entries.push({ conv: server.conv, seq: 2, id: 'x', ts: 0, type: 'note', from: { k: 'a', id: agentId }, rev: 2 })
    server.append({ type: 'text', from: { k: 'a', id: agentId }, body: { text: '3' }, skip: 1 })
    await clock.pass(10)
    expect(screen(client)).toEqual(['1 sent', '3 sent'])
    expect(server.received.some(({ t }) => t === 'sync')).toBe(false)
  })

  it('catches up after lag', async () => {
    const { client, clock, server } = await live()
    server.agentSays('1')
    server.dropEchoes = true
    for (let i = 2; i <= 150; i++) server.agentSays(String(i))
    server.dropEchoes = false
    server.push({ t: 'lag', convs: { [server.conv]: 150 } })
    await clock.pass(50)
    expect(client.conversation(server.conv).items).toHaveLength(150)
  })

  it('resumes from its cursor', async () => {
    const { client, clock, server } = await live()
    server.status = 'active'
    server.agentSays('1')
    await clock.pass(10)
    server.close(1006)
    server.agentSays('2')
    await clock.pass(6_000)
    expect(server.hellos.at(-1)).toMatchObject({ cursors: { [server.conv]: ['k3f9', 1] }, resume: 'blob-1' })
    expect(screen(client)).toEqual(['1 sent', '2 sent'])
  })

  it('gets more than one resume can carry', async () => {
    const { client, clock, server } = await live()
    server.status = 'active'
    server.agentSays('1')
    await clock.pass(10)
    server.close(1006)
    for (let i = 2; i <= 420; i++) server.agentSays(String(i))
    await clock.pass(7_000)
    expect(client.conversation(server.conv).items).toHaveLength(420)
  })

  it('starts anew after a reset, and offers unarchived sends again', async () => {
    const { client, clock, server, say } = await live()
    server.status = 'active'
    server.agentSays('old')
    say('mine')
    await clock.pass(10)
    server.close(1006)
    server.loseHistory('new1')
    server.agentSays('fresh')
    await clock.pass(6_000)
    expect(screen(client)).toEqual(['fresh sent'])
  })

  it('folds an edit and a recall into their message', async () => {
    const { client, clock, server } = await live()
    server.agentSays('one')
    server.agentSays('two')
    server.append({ type: 'edit', from: { k: 'a', id: agentId }, body: { target: 1, text: 'ONE' } })
    server.append({ type: 'recall', from: { k: 'a', id: agentId }, body: { target: 2 } })
    await clock.pass(10)
    expect(screen(client)).toEqual(['ONE sent', '(recalled) sent'])
    expect(client.conversation(server.conv).items[0]?.edited).toBe(true)
  })

  it('loads older messages', async () => {
    const browser = new Browser()
    browser.server.status = 'active'
    for (let i = 1; i <= 70; i++) browser.server.agentSays(String(i))
    const { client } = browser.open()
    client.start()
    await browser.clock.pass(50)
    expect(client.conversation(browser.server.conv)).toMatchObject({ hasOlder: true })
    expect(client.conversation(browser.server.conv).items).toHaveLength(50)
    void client.loadOlder(browser.server.conv)
    await browser.clock.pass(10)
    expect(client.conversation(browser.server.conv).items.map(({ body }) => body.text)).toEqual(
      Array.from({ length: 70 }, (_, i) => String(i + 1)))
    expect(client.conversation(browser.server.conv).hasOlder).toBe(false)
  })

  it('turns sent into delivered and read as the marks come', async () => {
    const { client, clock, server, say } = await live()
    say('a')
    say('b')
    await clock.pass(10)
    server.push({ t: 'marks', conv: server.conv, marks: [{ p: `a:${agentId}`, rcv: 2, read: 1 }] })
    expect(screen(client)).toEqual(['a read', 'b delivered'])
    server.push({ t: 'marks', conv: server.conv, marks: [{ p: `a:${agentId}`, rcv: 0, read: 0 }] })
    expect(screen(client)).toEqual(['a read', 'b delivered'])
  })

  it('acknowledges at most once a second', async () => {
    const { client, clock, server } = await live()
    for (let i = 0; i < 10; i++) {
      server.agentSays(String(i))
      client.markRead(server.conv, i + 1)
      await clock.pass(100)
    }
    await clock.pass(1_500)
    const sent = (t: string) => server.received.filter((frame) => frame.t === t)
    expect(sent('rcv').length).toBeLessThanOrEqual(3)
    expect(sent('rcv').at(-1)).toMatchObject({ upto: 10 })
    expect(sent('read').length).toBeLessThanOrEqual(3)
    expect(sent('read').at(-1)).toMatchObject({ upto: 10 })
  })

  it('shows typing for six seconds, or until the message', async () => {
    const { client, clock, server } = await live()
    const from = { k: 'a' as const, id: agentId, name: 'Li Na' }
    server.push({ t: 'typing', conv: server.conv, on: true, from })
    expect(client.conversation(server.conv).typing).toEqual([from])
    await clock.pass(6_100)
    expect(client.conversation(server.conv).typing).toEqual([])
    server.push({ t: 'typing', conv: server.conv, on: true, from })
    server.agentSays('Hi')
    expect(client.conversation(server.conv).typing).toEqual([])
  })

  it('tells typing at most every three seconds', async () => {
    const { client, clock, server } = await live()
    for (let i = 0; i < 40; i++) {
      client.typing(server.conv, true)
      await clock.pass(100)
    }
    expect(server.received.filter((frame) => frame.t === 'typing')).toHaveLength(2)
  })
})

describe('agents', () => {
  it('watches a conversation across a reconnect', async () => {
    const { client, clock, server } = await live({ role: 'agent' })
    server.status = 'active'
    client.watch(server.conv)
    server.append({ type: 'text', from: { k: 'v', id: '7261402000' }, body: { text: 'Help' } })
    await clock.pass(20)
    expect(screen(client, server.conv)).toEqual(['Help sent'])
    server.close(4000)
    server.append({ type: 'text', from: { k: 'v', id: '7261402000' }, body: { text: 'Hello?' } })
    await clock.pass(6_000)
    expect(screen(client, server.conv)).toEqual(['Help sent', 'Hello? sent'])
  })

  it('tells the answer of an action', async () => {
    const { client, clock, server } = await live({ role: 'agent' })
    server.refuse = (frame: SendFrame) => (frame.type === 'claim'
      ? { status: 409, code: 'claimed', retry: false, by: { id: '5', name: 'Bo' } } : undefined)
    const claim = client.act(server.conv, { type: 'claim', body: {}, if: { claim: 1 } })
    await clock.pass(10)
    expect(await claim).toMatchObject({ ok: false, error: { code: 'claimed', by: { name: 'Bo' } } })
    const close = client.act(server.conv, { type: 'close', body: {} })
    await clock.pass(10)
    expect(await close).toEqual({ ok: true, seq: 1 })
  })

  it('keeps lists across a reconnect', async () => {
    const { client, clock, server } = await live({ role: 'agent' })
    const seen: string[] = []
    client.watchList({ view: 'mine', onRows: (rows) => seen.push(`rows ${rows.length}`), onDelta: (up) => seen.push(`delta ${up.length}`) })
    await clock.pass(5)
    const watch = server.received.find((frame) => frame.t === 'watch') as { id: number }
    server.push({ t: 'rows', re: watch.id, view: 'mine', rows: [server.info()] })
    server.push({ t: 'delta', watch: watch.id, upsert: [server.info()] })
    expect(seen).toEqual(['rows 1', 'delta 1'])
    server.close(1006)
    await clock.pass(6_000)
    expect(server.received.filter((frame) => frame.t === 'watch')).toHaveLength(2)
  })
})
