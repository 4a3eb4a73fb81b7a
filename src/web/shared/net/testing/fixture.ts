import { NetClient } from '../client'
import { TabIdentity, type Locks, type TabStorage } from '../identity'
import { MemoryStore } from '../memory-store'
import type { OutboxStore, Signals } from '../ports'
import type { Role } from '../frames'
import { FakeClock } from './fake-clock'
import { FakeServer } from './fake-server'

/** Locks of one browser: each page holds what it took until it is killed. */
export class FakeLocks {
  private readonly holders = new Map<string, string>()

  page(page: string): Locks {
    return {
      hold: (name) => {
        const holder = this.holders.get(name)
        if (holder !== undefined && holder !== page) return Promise.resolve(false)
        this.holders.set(name, page)
        return Promise.resolve(true)
      },
    }
  }

  kill(page: string): void {
    for (const [name, holder] of this.holders) if (holder === page) this.holders.delete(name)
  }
}

export class FakeSignals implements Signals {
  isVisible = true
  isOnline = true
  private on: Parameters<Signals['listen']>[0] | undefined

  visible = () => this.isVisible
  online = () => this.isOnline
  listen(on: Parameters<Signals['listen']>[0]): () => void {
    this.on = on
    return () => (this.on = undefined)
  }
  wake(): void {
    this.on?.wake()
  }
  offline(): void {
    this.isOnline = false
    this.on?.offline()
  }
}

export function tabStorage(): TabStorage {
  const values = new Map<string, string>()
  return { getItem: (key) => values.get(key) ?? null, setItem: (key, value) => void values.set(key, value) }
}

/** One browser with its server. Pages come and go; storage and locks stay. */
export class Browser {
  readonly clock = new FakeClock()
  readonly server = new FakeServer(this.clock)
  readonly locks = new FakeLocks()
  readonly store: OutboxStore = new MemoryStore()
  private ids = 0
  private pages = 0

  open(options: { storage?: TabStorage; role?: Role; withLocks?: boolean } = {}) {
    const page = `page-${++this.pages}`
    const signals = new FakeSignals()
    const newId = () => String(++this.ids).padStart(16, 'A')
    const locks = options.withLocks === false ? undefined : this.locks.page(page)
    const client = new NetClient({
      url: 'ws://test/ws',
      role: options.role ?? 'visitor',
      ...(options.role === 'agent' ? {} : { token: () => Promise.resolve({ token: 'token' }) }),
      env: {
        clock: this.clock,
        connect: this.server.connect,
        signals,
        store: this.store,
        identity: new TabIdentity(locks, options.storage ?? tabStorage(), newId),
        random: () => 0.5,
        newId,
      },
    })
    const close = () => {
      client.stop()
      this.locks.kill(page)
    }
    return { client, signals, close }
  }
}

/** What a person sees: the text and state of each message, in order. */
export function screen(client: NetClient, conv = client.current ?? ''): string[] {
  return client.conversation(conv).items.map(({ body, type, state, recalled }) => `${recalled ? '(recalled)' : body.text ?? type} ${state}`)
}
