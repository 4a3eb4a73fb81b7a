import type { Clock, Timer } from './ports'

const pace = 1_000

/** Sends the highest value of each key at most once a second. Cumulative marks need no more. */
export class Coalescer {
  private readonly wanted = new Map<string, number>()
  private readonly sent = new Map<string, number>()
  private timer: Timer
  private lastFlush = -pace

  constructor(private readonly clock: Clock, private readonly send: (key: string, value: number) => boolean) {}

  mark(key: string, value: number): void {
    if (value <= Math.max(this.sent.get(key) ?? 0, this.wanted.get(key) ?? 0)) return
    this.wanted.set(key, value)
    if (this.timer === undefined) {
      const wait = Math.max(0, this.lastFlush + pace - this.clock.now())
      this.timer = this.clock.after(wait, () => this.flush())
    }
  }

  flush(): void {
    this.clock.cancel(this.timer)
    this.timer = undefined
    if (this.wanted.size) this.lastFlush = this.clock.now()
    for (const [key, value] of this.wanted) {
      // Without a connection it stays wanted, and the next flush sends it.
      if (!this.send(key, value)) return
      this.wanted.delete(key)
      this.sent.set(key, value)
    }
  }

  /** A new connection: receipts are written behind, so the server may have lost the last ones. */
  repeat(): void {
    for (const [key, value] of this.sent) {
      if (!this.wanted.has(key)) this.wanted.set(key, value)
    }
    this.sent.clear()
    if (this.wanted.size) this.flush()
  }

  /** Forgets what a history that is gone had. */
  reset(key: string): void {
    this.wanted.delete(key)
    this.sent.delete(key)
  }

  clear(): void {
    this.clock.cancel(this.timer)
    this.timer = undefined
    this.wanted.clear()
    this.sent.clear()
  }
}
