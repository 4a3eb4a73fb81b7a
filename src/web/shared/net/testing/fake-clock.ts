import type { Clock } from '../ports'

/** Time that only passes when a test says so. */
export class FakeClock implements Clock {
  private time = 0
  private serial = 0
  private readonly timers = new Map<number, { at: number; run: () => void }>()
  /** What the device believes; tests move it. */
  wallOffset = 1_763_715_600_000

  now = () => this.time
  wall = () => this.wallOffset + this.time

  after(ms: number, run: () => void): number {
    this.timers.set(++this.serial, { at: this.time + ms, run })
    return this.serial
  }

  cancel(timer: unknown): void {
    this.timers.delete(timer as number)
  }

  /** Lets time pass; promises settle before, between and after the timers. */
  async pass(ms: number): Promise<void> {
    const end = this.time + ms
    await settle()
    for (;;) {
      const next = [...this.timers].filter(([, t]) => t.at <= end).sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0]
      if (!next) break
      this.timers.delete(next[0])
      this.time = Math.max(this.time, next[1].at)
      next[1].run()
      await settle()
    }
    this.time = end
  }
}

/** Lets every promise that can settle do so. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await Promise.resolve()
}
