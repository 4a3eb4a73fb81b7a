/** What the network client needs from outside. Tests pass fakes; browser.ts passes the real things. */
import type { SendType } from './frames'

export type Timer = unknown

export interface Clock {
  /** Milliseconds that never jump back; for waiting. */
  now(): number
  /** Milliseconds since 1970 as this device believes them; for showing and for ageing stored things. */
  wall(): number
  after(ms: number, run: () => void): Timer
  cancel(timer: Timer): void
}

export interface SocketHandlers {
  onOpen(): void
  onMessage(text: string): void
  onClose(code: number, reason: string): void
}
export interface Socket {
  send(text: string): void
  close(code?: number): void
}
export type Connect = (url: string, protocol: string, handlers: SocketHandlers) => Socket

/** The page and the network around it. */
export interface Signals {
  visible(): boolean
  online(): boolean
  /** `wake` = something happened that makes it worth trying at once: online, focus, became visible, page restored. */
  listen(on: { wake: () => void; visibility: (visible: boolean) => void; offline: () => void }): () => void
}

/** A send that is not settled yet. */
export interface OutboxRow {
  local: string
  dev: string
  /** '' while a visitor's conversation is not known. */
  conv: string
  /** The place in the sender's own counting; absent until the row is first put on a wire. */
  n?: number
  /** Whose row it is, such as `v:72614`; absent while nobody is signed in. */
  principal?: string
  type: SendType
  body?: Record<string, unknown>
  if?: { claim: number }
  /** Device time. Rows older than a day are dropped. */
  created: number
  /** The server has it on disk under this seq, but not yet in the archive. */
  stored?: { seq: number; epoch: string }
  failure?: { code: string; message: string; ref?: string }
}

/** How far a (dev, conv) has counted, and the highest n of it that was answered. */
export interface LaneRow { dev: string; conv: string; lastN: number; answeredN: number }

export interface OutboxContent { rows: OutboxRow[]; lanes: LaneRow[] }
export interface OutboxChange { put?: OutboxRow[]; remove?: string[]; lanes?: LaneRow[]; dropLanes?: [dev: string, conv: string][] }

/**
 * Keeps the outbox. A change is written whole; changes are written in order; `commit` resolves when it would survive a reload.
 * Never rejects: where storage is denied or full it keeps going in memory.
 */
export interface OutboxStore {
  load(): Promise<OutboxContent>
  commit(change: OutboxChange): Promise<void>
  clear(): Promise<void>
}

/** The sender instance: an id that no other living tab uses. */
export interface DevIdentity {
  /** The id of this tab. Writes nothing. */
  claim(): Promise<string>
  /** From now on the id may be stored, so that a reload keeps it: the person has written something. */
  keep(): void
  /** A new id, because the counting under the old one is lost. */
  renew(): string
  /** Tries to take over the outbox of another tab; true when that tab is dead and nobody else took it. */
  adopt(dev: string): Promise<boolean>
}

export interface Environment {
  clock: Clock
  connect: Connect
  signals: Signals
  store: OutboxStore
  identity: DevIdentity
  /** Uniform in [0, 1). */
  random: () => number
  /** A random id of 16 base64url characters. */
  newId: () => string
}
