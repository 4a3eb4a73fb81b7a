import type { DevIdentity } from './ports'

/** The part of navigator.locks that is needed; tests pass their own. */
export interface Locks {
  /** True when the lock is now held by this page until the page ends; false when another page holds it for longer than `waitMs`. */
  hold(name: string, waitMs: number): Promise<boolean>
}
export interface TabStorage { getItem(key: string): string | null; setItem(key: string, value: string): void }

const storageKey = 'parley-dev'
/** A reload can be faster than the release of the old page's lock. A duplicated tab waits this long for nothing. */
const reloadGrace = 300

/** The id of this tab, proven unique by a lock where locks exist (secure pages); elsewhere new with each page load. */
export class TabIdentity implements DevIdentity {
  private claimed: Promise<string> | undefined
  private kept = false

  constructor(
    private readonly locks: Locks | undefined,
    private readonly storage: TabStorage | undefined,
    private readonly newId: () => string,
  ) {}

  claim(): Promise<string> {
    return (this.claimed ??= this.first())
  }

  keep(): void {
    if (this.kept) return
    this.kept = true
    void this.claim().then((dev) => this.store(dev))
  }

  renew(): string {
    const dev = this.newId()
    void this.locks?.hold(lockName(dev), 0)
    this.claimed = Promise.resolve(dev)
    if (this.kept) this.store(dev)
    return dev
  }

  /** Without locks nothing proves that the other tab is dead; (dev, n) makes a double send harmless even so. */
  async adopt(dev: string): Promise<boolean> {
    return this.locks ? this.locks.hold(lockName(dev), 0) : true
  }

  private async first(): Promise<string> {
    const stored = this.storage?.getItem(storageKey)
    if (this.locks && stored && (await this.locks.hold(lockName(stored), reloadGrace))) return stored
    const dev = this.newId()
    await this.locks?.hold(lockName(dev), 0)
    return dev
  }

  private store(dev: string): void {
    try {
      if (this.locks) this.storage?.setItem(storageKey, dev)
    } catch {
      // Storage is full or denied: the next page load takes a new id, and this one's outbox is adopted.
    }
  }
}

const lockName = (dev: string) => `parley-${dev}`
