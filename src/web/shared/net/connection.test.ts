import { describe, expect, it } from 'vitest'
import { retryDelay } from './backoff'
import { Browser } from './testing/fixture'

async function live() {
  const browser = new Browser()
  const page = browser.open()
  page.client.start()
  await browser.clock.pass(50)
  return { ...page, server: browser.server, clock: browser.clock }
}

describe('Connection', () => {
  it('says hello with its token and becomes live', async () => {
    const { client, server } = await live()
    expect(client.state.phase).toBe('live')
    expect(server.hellos[0]).toMatchObject({ ver: 1, role: 'visitor', token: 'token', vis: true, cursors: {} })
    expect(server.hellos[0]?.dev).toHaveLength(16)
  })

  it('waits with full jitter up to a cap', () => {
    const longest = (attempt: number, visible: boolean) => retryDelay(attempt, visible, () => 0.999999)
    expect([0, 1, 2, 3, 4, 9].map((k) => Math.ceil(longest(k, true) / 500) * 500)).toEqual([500, 1000, 2000, 4000, 5000, 5000])
    expect(Math.ceil(longest(99, false) / 500) * 500).toBe(20_000)
    expect(retryDelay(9, true, () => 0)).toBe(0)
  })

  it('says how long it waits, and tries at once when asked', async () => {
    const { client, server, clock } = await live()
    server.reachable = false
    server.close(1006)
    await clock.pass(20_000)
    expect(['waiting', 'connecting']).toContain(client.state.phase)
    server.reachable = true
    while (client.state.phase !== 'waiting') await clock.pass(1)
    client.reconnect()
    await clock.pass(5)
    expect(client.state.phase).toBe('live')
  })

  it('tries at once when the network or the person comes back', async () => {
    const { client, server, clock, signals } = await live()
    server.reachable = false
    server.close(1006)
    await clock.pass(30_000)
    server.reachable = true
    signals.wake()
    await clock.pass(5)
    expect(client.state.phase).toBe('live')
  })

  it('probes a silent line and gives it up', async () => {
    const { client, server, clock } = await live()
    server.reachable = false
    await clock.pass(40_001)
    expect(client.state.phase).toBe('live')
    await clock.pass(3_000)
    expect(client.state.phase).not.toBe('live')
  })

  it('keeps a silent line that answers the probe', async () => {
    const { client, server, clock } = await live()
    await clock.pass(120_000)
    expect(client.state.phase).toBe('live')
    expect(server.sockets).toHaveLength(1)
    expect(server.received.filter(({ t }) => t === 'probe').length).toBeGreaterThan(1)
  })

  it('answers pings', async () => {
    const { server, clock } = await live()
    server.push({ t: 'ping', ts: 1 })
    await clock.pass(5)
    expect(server.received.at(-1)).toEqual({ t: 'pong' })
  })

  it('connects anew after bye before it lets go of the old socket', async () => {
    const { client, server, clock } = await live()
    const phases: string[] = []
    client.on('connection', ({ phase }) => phases.push(phase))
    server.push({ t: 'bye', delay_ms: 500, code: 'drain' })
    await clock.pass(600)
    expect(server.sockets).toHaveLength(2)
    expect(server.sockets[0]?.open).toBe(false)
    expect(new Set(phases)).toEqual(new Set(['live']))
  })

  it('drops a resume blob that cannot be used', async () => {
    const { client, server, clock } = await live()
    server.close(4100)
    await clock.pass(6_000)
    expect(server.hellos.at(-1)?.resume).toBeUndefined()
    expect(client.state.phase).toBe('live')
  })

  it.each([[4500, 'protocol'], [4501, 'auth'], [4502, 'banned'], [4503, 'tenant_disabled'], [4504, 'origin'], [4505, 'superseded']] as const)(
    'stops after %i', async (code, reason) => {
      const { client, server, clock } = await live()
      server.close(code, '{"code":"x"}')
      await clock.pass(60_000)
      expect(client.state).toMatchObject({ phase: 'stopped', reason })
      expect(server.sockets).toHaveLength(1)
    })

  it('connects again after "use here"', async () => {
    const { client, server, clock } = await live()
    server.close(4505)
    client.reconnect()
    await clock.pass(10)
    expect(client.state.phase).toBe('live')
  })

  it.each([1000, 1001, 1005, 1006, 4000, 4002, 4003, 4005, 4006, 4007, 4008, 4101, 3999])('comes back after %i', async (code) => {
    const { client, server, clock } = await live()
    server.close(code)
    await clock.pass(10_000)
    expect(client.state.phase).toBe('live')
  })

  it('knows the time of the server', async () => {
    const { client, clock } = await live()
    const before = client.serverNow()
    clock.wallOffset += 3_600_000
    expect(client.serverNow()).toBe(before + 3_600_000)
  })
})
