import type { ErrorFrame, ServerFrame } from './frames'
import type { Clock, Timer } from './ports'

const requestTimeout = 15_000

/** The server refused a request, or the connection was lost before it answered (`code` is then `offline` or `timeout`). */
export class RequestFailed extends Error {
  constructor(readonly code: string, message = code, readonly frame?: ErrorFrame) {
    super(message)
  }
}

interface Waiting { resolve(frame: ServerFrame): void; reject(error: Error): void; timer: Timer }

/** Matches replies to requests by `id` and `re`. */
export class Requests {
  private readonly waiting = new Map<number, Waiting>()

  constructor(private readonly clock: Clock) {}

  expect<T extends ServerFrame>(id: number): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const timer = this.clock.after(requestTimeout, () => this.fail(id, new RequestFailed('timeout')))
      this.waiting.set(id, { resolve: resolve as (frame: ServerFrame) => void, reject, timer })
    })
  }

  /** True when somebody waited for this frame. */
  settle(frame: ServerFrame): boolean {
    const re = (frame as { re?: number }).re
    const waiting = re === undefined ? undefined : this.waiting.get(re)
    if (re === undefined || !waiting) return false
    if (frame.t === 'error') {
      this.fail(re, new RequestFailed(frame.code, frame.message, frame))
    } else {
      this.waiting.delete(re)
      this.clock.cancel(waiting.timer)
      waiting.resolve(frame)
    }
    return true
  }

  failAll(): void {
    for (const id of [...this.waiting.keys()]) this.fail(id, new RequestFailed('offline'))
  }

  private fail(id: number, error: Error): void {
    const waiting = this.waiting.get(id)
    if (!waiting) return
    this.waiting.delete(id)
    this.clock.cancel(waiting.timer)
    waiting.reject(error)
  }
}
