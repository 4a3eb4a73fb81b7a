import { MemoryStore } from './memory-store'
import type { LaneRow, OutboxChange, OutboxContent, OutboxRow, OutboxStore } from './ports'

const version = 1
const [rows, lanes, values] = ['rows', 'lanes', 'values']

/**
 * One IndexedDB of one site (or account): the outbox and a few named values. The database comes into being with the first write;
 * only looking leaves no trace. Where it is denied or full, everything works in memory.
 */
export class SiteDatabase implements OutboxStore {
  private readonly memory = new MemoryStore()
  private readonly kept = new Map<string, unknown>()
  private opened: IDBDatabase | undefined
  private denied: boolean
  private queue: Promise<unknown> = Promise.resolve()

  constructor(private readonly name: string, private readonly factory: IDBFactory | undefined) {
    this.denied = factory === undefined
  }

  /** Something is stored on this device. */
  async exists(): Promise<boolean> {
    return (await this.inOrder(() => this.open(false))) !== undefined
  }

  async load(): Promise<OutboxContent> {
    return this.inOrder(async () => {
      const database = await this.open(false)
      if (!database) return this.memory.load()
      const transaction = database.transaction([rows, lanes], 'readonly')
      const [allRows, allLanes] = await Promise.all([
        done(transaction.objectStore(rows).getAll()),
        done(transaction.objectStore(lanes).getAll()),
      ]) as [OutboxRow[], LaneRow[]]
      return { rows: allRows, lanes: allLanes }
    }, () => this.memory.load())
  }

  async commit(change: OutboxChange): Promise<void> {
    await this.memory.commit(change)
    const adds = Boolean(change.put?.length || change.lanes?.length)
    await this.inOrder(async () => {
      const database = await this.open(adds)
      if (!database) return
      const transaction = database.transaction([rows, lanes], 'readwrite')
      const [rowStore, laneStore] = [transaction.objectStore(rows), transaction.objectStore(lanes)]
      for (const row of change.put ?? []) rowStore.put(row)
      for (const local of change.remove ?? []) rowStore.delete(local)
      for (const lane of change.lanes ?? []) laneStore.put(lane)
      for (const lane of change.dropLanes ?? []) laneStore.delete(lane)
      await finished(transaction)
    })
  }

  async get<T>(name: string): Promise<T | undefined> {
    return this.inOrder(async () => {
      const database = await this.open(false)
      if (!database) return this.kept.get(name) as T | undefined
      return (await done(database.transaction(values).objectStore(values).get(name))) as T | undefined
    }, () => Promise.resolve(this.kept.get(name) as T | undefined))
  }

  async set(name: string, value: unknown): Promise<void> {
    this.kept.set(name, value)
    await this.inOrder(async () => {
      const database = await this.open(true)
      if (!database) return
      const transaction = database.transaction(values, 'readwrite')
      transaction.objectStore(values).put(value, name)
      await finished(transaction)
    })
  }

  /** Deletes the database, so that nothing is left on this device. */
  async clear(): Promise<void> {
    await this.memory.clear()
    this.kept.clear()
    await this.inOrder(async () => {
      this.opened?.close()
      this.opened = undefined
      if (this.factory && !this.denied) await done(this.factory.deleteDatabase(this.name))
    })
  }

  /** One after the other, so that what is written last is what is found. */
  private inOrder<T>(work: () => Promise<T>, otherwise?: () => Promise<T>): Promise<T> {
    const result = this.queue.then(work).catch((): Promise<T> => {
      this.denied = true
      this.opened = undefined
      return otherwise ? otherwise() : Promise.resolve(undefined as T)
    })
    this.queue = result
    return result
  }

  private open(create: boolean): Promise<IDBDatabase | undefined> {
    if (this.opened || this.denied || !this.factory) return Promise.resolve(this.opened)
    const request = this.factory.open(this.name, version)
    let refused = false
    return new Promise((resolve, reject) => {
      request.onupgradeneeded = ({ oldVersion }) => {
        if (oldVersion === 0 && !create) {
          // Aborting the upgrade leaves no empty database behind.
          refused = true
          request.transaction?.abort()
          request.result.close()
          return
        }
        request.result.createObjectStore(rows, { keyPath: 'local' })
        request.result.createObjectStore(lanes, { keyPath: ['dev', 'conv'] })
        request.result.createObjectStore(values)
      }
      request.onsuccess = () => {
        this.opened = request.result
        // Another tab deletes or upgrades: let go, and open again at the next use.
        this.opened.onversionchange = () => {
          this.opened?.close()
          this.opened = undefined
        }
        resolve(this.opened)
      }
      request.onerror = (event) => {
        event.preventDefault()
        if (refused) resolve(undefined)
        else reject(request.error ?? new Error('indexedDB'))
      }
      request.onblocked = () => reject(new Error('blocked'))
    })
  }
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error ?? new Error('indexedDB'))
  })
}

function finished(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve()
    transaction.onabort = () => reject(transaction.error ?? new Error('indexedDB'))
    transaction.onerror = () => reject(transaction.error ?? new Error('indexedDB'))
  })
}
