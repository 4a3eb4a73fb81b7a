import type { Failure, SendRequest, SendResult } from './api'
import type { AckFrame, ConvId, Cursor, Entry, ErrorFrame, SendFrame } from './frames'
import { Lane, type Pending } from './lane'
import type { Environment, LaneRow, OutboxChange, OutboxRow } from './ports'

/** Without an answer for this long while connected, a message is shown as failed; the same send may then be repeated. */
export const answerTimeout = 15_000
/** What was written longer ago is not sent any more. */
const rowLifetime = 24 * 3_600_000
const defaultInflight = 16
const defaultPause = 1_000
const bodyLimit = 16_384

export interface OutboxHooks {
  /** False when not connected. */
  send(frame: SendFrame): boolean
  nextId(): number
  changed(conv: ConvId): void
  /** Stored, told by an answer. `row` is still as it was sent. */
  acked(row: OutboxRow, ack: AckFrame): void
  moved(from: ConvId, to: ConvId): void
  /** Where a visitor's text goes when its conversation is none any more. */
  instead(): ConvId | undefined
  discarded(rows: OutboxRow[]): void
}

type Settle = (result: SendResult) => void
const utf8 = new TextEncoder()

/**
 * Everything this browser still has to get onto the server's disk. A send keeps its (dev, n) until it is answered, over lost
 * sockets and reloads, so the server can tell a repetition from a new message.
 */
export class Outbox {
  private readonly lanes = new Map<string, Lane>()
  private readonly waiting = new Map<string, Settle>()
  private readonly localByN = new Map<string, string>()
  private dev = ''
  private principal: string | undefined
  private live = false
  private inflight = defaultInflight
  private lastCreated = 0
  /** Timer that holds everything back after the server asked for it. */
  pause: unknown

  constructor(private readonly env: Environment, private readonly hooks: OutboxHooks) {}

  /** Reads what earlier pages left. Rows of tabs that still live stay theirs. */
  async restore(dev: string): Promise<void> {
    this.dev = dev
    const { rows, lanes } = await this.env.store.load()
    const oldest = this.env.clock.wall() - rowLifetime
    const expired = rows.filter((row) => row.created < oldest)
    const change: OutboxChange = { remove: expired.map((row) => row.local) }
    const owners = new Map<string, boolean>([[dev, true]])
    for (const { dev: owner } of [...rows, ...lanes]) {
      if (!owners.has(owner)) owners.set(owner, await this.env.identity.adopt(owner))
    }
    for (const lane of lanes) {
      if (!owners.get(lane.dev)) continue
      const used = lane.dev === dev || rows.some((row) => row.dev === lane.dev && row.conv === lane.conv)
      if (used) this.lane(lane.dev, lane.conv, lane)
      else (change.dropLanes ??= []).push([lane.dev, lane.conv])
    }
    const touched = new Set<ConvId>()
    for (const row of rows) {
      if (!owners.get(row.dev) || row.created < oldest || this.find(row.local)) continue
      const lane = this.lane(row.dev, row.conv)
      lane.rows.push({ ...row, durable: true, maybeStored: row.n !== undefined, timedOut: false })
      if (row.n !== undefined) this.remember(row)
      touched.add(row.conv)
    }
    if (change.remove?.length || change.dropLanes?.length) void this.env.store.commit(change)
    for (const conv of touched) this.hooks.changed(conv)
    this.pump()
  }

  /** Own sends of this conversation that have no answer, or a refusal. In the order in which they are shown. */
  shown(conv: ConvId): Pending[] {
    const rows: Pending[] = []
    for (const lane of this.lanes.values()) {
      if (lane.conv === conv) rows.push(...lane.rows.filter((row) => !row.stored && isMessage(row)))
    }
    return rows.sort((a, b) => a.created - b.created)
  }

  conversations(): ConvId[] {
    return [...new Set([...this.lanes.values()].filter((lane) => lane.rows.length).map((lane) => lane.conv))]
  }

  /** The local id under which an own entry was shown before it was stored. */
  localOf(dev: string | undefined, n: number | undefined): string | undefined {
    return this.localByN.get(`${dev}|${n}`)
  }

  add(conv: ConvId, request: SendRequest, settle?: Settle): string {
    const row: Pending = {
      local: this.env.newId(), dev: this.dev, conv, type: request.type, created: this.stamp(),
      ...(request.body ? { body: request.body } : {}),
      ...(request.if ? { if: request.if } : {}),
      ...(this.principal ? { principal: this.principal } : {}),
      durable: false, maybeStored: false, timedOut: false,
    }
    if (settle) this.waiting.set(row.local, settle)
    const lane = this.lane(row.dev, conv)
    lane.rows.push(row)
    if (utf8.encode(JSON.stringify(request.body ?? {})).length > bodyLimit) {
      this.refuse(lane, row, { code: 'too_large', message: '' })
    } else {
      // What waits for an answer (an agent's action) is meant for now: a later page does not carry it out.
      if (!settle) this.commit({ put: [bare(row)] })
      this.pumpLane(lane)
    }
    this.hooks.changed(conv)
    return row.local
  }

  retry(local: string): void {
    const found = this.find(local)
    if (!found) return
    const { lane, row } = found
    if (row.failure) this.requeue(lane, row)
    else if (row.timedOut) this.goBack(lane, row.n ?? 0, false)
    this.pumpLane(lane)
    this.hooks.changed(lane.conv)
  }

  discard(local: string): string | undefined {
    const found = this.find(local)
    if (!found || found.row.stored) return undefined
    const { lane, row } = found
    const text = typeof row.body?.['text'] === 'string' ? row.body['text'] : undefined
    this.waiting.delete(local)
    if (row.n === undefined || row.failure) {
      this.drop(lane, row)
    } else {
      // It may be on the server's disk already; only a void under the same n settles that.
      row.type = 'void'
      delete row.body
      row.wireId = undefined
      this.env.clock.cancel(row.answerTimer)
      this.commit({ put: [bare(row)] })
      this.pumpLane(lane)
    }
    this.hooks.changed(lane.conv)
    return text
  }

  /** A live connection as this principal. Everything unanswered is repeated before anything new. */
  up(dev: string, principal: string, inflight: number): void {
    this.dev = dev
    this.principal = principal
    this.inflight = inflight
    this.live = true
    this.dropForeign()
    this.pump()
  }

  down(): void {
    this.live = false
    for (const lane of this.lanes.values()) {
      for (const row of lane.rows) this.offWire(row)
      if (lane.rows.some((row) => !row.stored)) this.hooks.changed(lane.conv)
      this.failWaiting(lane)
    }
  }

  /** The visitor's conversation became known: what was written before belongs there. */
  resolve(conv: ConvId): void {
    this.moveRows('', conv)
  }

  slow(ms: number): void {
    this.holdBack(this, ms, () => this.pump())
    for (const conv of this.conversations()) this.hooks.changed(conv)
  }

  onAck(ack: AckFrame): void {
    const found = this.answered(undefined, ack.conv, ack.n, ack.dev) // also of an earlier attempt
    if (!found) return
    const { lane, row } = found
    this.offWire(row)
    lane.answeredN = Math.max(lane.answeredN, ack.n)
    if (ack.seq === 0) {
      this.drop(lane, row)
      return this.settled(lane, row, 0)
    }
    const sent = bare(row)
    this.hooks.acked(sent, ack)
    this.markStored(lane, row, ack.seq, ack.epoch, ack.stable)
  }

  /** The entry of an own send arrived, before or after its ack. */
  onEcho(entry: Entry, epoch: string): void {
    if (entry.dev === undefined || entry.n === undefined) return
    const lane = this.lanes.get(key(entry.dev, entry.conv))
    const row = lane?.byN(entry.n)
    if (!lane || !row || row.stored || row.failure) return
    this.offWire(row)
    lane.answeredN = Math.max(lane.answeredN, entry.n)
    this.markStored(lane, row, entry.seq, epoch)
  }

  onStable(conv: ConvId, upto: number): void {
    for (const lane of this.lanes.values()) {
      if (lane.conv !== conv) continue
      for (const row of lane.rows.filter((candidate) => candidate.stored && candidate.stored.seq <= upto)) this.drop(lane, row)
    }
  }

  /** The history was lost: what was acknowledged but not archived has to be offered again, under the same n. */
  onReset(conv: ConvId, cursor: Cursor): void {
    for (const lane of this.lanes.values()) {
      if (lane.conv !== conv) continue
      for (const row of lane.rows) {
        if (!row.stored || row.stored.epoch === cursor[0]) continue
        delete row.stored
        row.maybeStored = true
      }
      this.pumpLane(lane)
    }
  }

  /** True when the error was the answer to a send. */
  onError(error: ErrorFrame): boolean {
    const found = this.answered(error.re, error.conv, error.n, error.dev)
    if (!found) return false
    const { lane, row } = found
    if (error.retry) this.tryLater(lane, row, error)
    else this.onRefusal(lane, row, error)
    this.hooks.changed(lane.conv)
    return true
  }

  async clear(): Promise<void> {
    for (const lane of this.lanes.values()) {
      for (const row of lane.rows) this.offWire(row)
      this.env.clock.cancel(lane.pause)
    }
    this.lanes.clear()
    this.waiting.clear()
    this.localByN.clear()
    this.principal = undefined
    await this.env.store.clear()
  }

  // ---- refusals

  private onRefusal(lane: Lane, row: Pending, error: ErrorFrame): void {
    this.offWire(row)
    lane.answeredN = Math.max(lane.answeredN, row.n ?? 0)
    if (row.type === 'void') return this.drop(lane, row)
    // An id that was kept ready and never used is unknown to a later connection.
    const to = error.code === 'closed' ? error.to : error.code === 'unknown_conv' ? this.hooks.instead() : undefined
    if (to && to !== lane.conv && row.type === 'text') return this.moveToNew(lane, row, to)
    if (error.code === 'id_conflict') {
      // The number belongs to another text, so this one was never stored: send it as new, under a new dev.
      this.dev = this.env.identity.renew()
      this.requeue(lane, row)
      return this.pump()
    }
    const code = error.code === 'too_old' ? 'unverified' : error.code
    const failure: Failure = { code, message: error.message, ...(error.ref ? { ref: error.ref } : {}) }
    this.refuse(lane, row, failure, error.by)
  }

  private tryLater(lane: Lane, row: Pending, error: ErrorFrame): void {
    const from = error.expected ?? row.n ?? 0
    if (error.code === 'out_of_order' && !this.fillable(lane, row, from)) return this.startOver(lane)
    this.goBack(lane, Math.min(from, row.n ?? from), true)
    const wait = error.after_ms ?? (error.code === 'out_of_order' ? 0 : defaultPause)
    if (wait) this.holdBack(lane, wait, () => this.pumpLane(lane))
    else this.pumpLane(lane)
  }

  /** Makes sure that a send under `expected` exists. False when the server forgot numbers that it had answered. */
  private fillable(lane: Lane, refused: Pending, expected: number): boolean {
    if (expected <= lane.answeredN || expected > (refused.n ?? 0)) return false
    if (!lane.byN(expected) || lane.byN(expected)?.failure) {
      for (const failed of lane.rows.filter((row) => row.n === expected)) delete failed.n
      const filler: Pending = {
        local: this.env.newId(), dev: lane.dev, conv: lane.conv, n: expected, type: 'void', created: this.stamp(),
        ...(this.principal ? { principal: this.principal } : {}),
        durable: true, maybeStored: true, timedOut: false,
      }
      lane.rows.push(filler)
      this.commit({ put: [bare(filler)] })
    }
    return true
  }

  /** The server does not know this sender any more. What was surely never stored goes under a new dev; the rest is for a person. */
  private startOver(lane: Lane): void {
    this.dev = this.env.identity.renew()
    for (const row of lane.unanswered()) {
      this.offWire(row, true)
      if (row.maybeStored) this.refuse(lane, row, { code: 'unverified', message: '' })
      else this.requeue(lane, row)
    }
    this.pump()
  }

  private refuse(lane: Lane, row: Pending, failure: Failure, by?: { id: string; name: string }): void {
    this.offWire(row)
    const settle = this.waiting.get(row.local)
    if (settle) {
      this.waiting.delete(row.local)
      this.drop(lane, row)
      settle({ ok: false, error: { ...failure, ...(by ? { by } : {}) } })
      return
    }
    if (!isMessage(row)) return this.drop(lane, row)
    row.failure = failure
    this.commit({ put: [bare(row)], lanes: [laneRow(lane)] })
    this.hooks.changed(lane.conv)
  }

  private moveToNew(lane: Lane, row: Pending, conv: ConvId): void {
    const from = lane.conv
    this.place(lane, row, this.lane(this.dev, conv))
    this.hooks.moved(from, conv)
    this.hooks.changed(from)
    this.pump()
  }

  /** As a new send at the end of this tab's own counting. */
  private requeue(lane: Lane, row: Pending): void {
    row.created = this.stamp()
    this.place(lane, row, this.lane(this.dev, lane.conv))
  }

  private place(from: Lane, row: Pending, to: Lane): void {
    from.rows = from.rows.filter((other) => other !== row)
    this.offWire(row)
    delete row.failure
    delete row.n
    Object.assign(row, { dev: to.dev, conv: to.conv, durable: false, maybeStored: false })
    to.rows.push(row)
    this.commit({ put: [bare(row)], lanes: [laneRow(from)] })
    this.hooks.changed(to.conv)
  }

  // ---- sending

  private pump(): void {
    for (const lane of this.lanes.values()) this.pumpLane(lane)
  }

  private pumpLane(lane: Lane): void {
    if (!this.live || lane.pause !== undefined || this.pause !== undefined || lane.conv === '') return
    const open = lane.unanswered().slice(0, this.inflight)
    const numbered: Pending[] = []
    const before = lane.lastN
    for (const row of open) {
      if (row.n !== undefined) continue
      row.n = ++lane.lastN
      if (this.principal) row.principal = this.principal
      row.durable = this.waiting.has(row.local)
      this.remember(row)
      if (!row.durable) numbered.push(row)
    }
    if (numbered.length) {
      // First the number is kept, then it goes out: after a crash the same message has the same number.
      void this.env.store.commit({ put: numbered.map(bare), lanes: [laneRow(lane)] }).then(() => {
        for (const row of numbered) row.durable = true
        this.pumpLane(lane)
      })
    } else if (lane.lastN > before) {
      this.commit({ lanes: [laneRow(lane)] })
    }
    for (const row of open) {
      if (!row.durable) return
      if (row.wireId === undefined) this.transmit(lane, row)
    }
  }

  private transmit(lane: Lane, row: Pending): void {
    const id = this.hooks.nextId()
    const frame: SendFrame = {
      t: 'send', id, conv: lane.conv, n: row.n ?? 0, type: row.type,
      ...(row.body ? { body: row.body } : {}),
      ...(row.if ? { if: row.if } : {}),
      dev: lane.dev,
    }
    if (!this.hooks.send(frame)) return
    row.wireId = id
    row.timedOut = false
    row.answerTimer = this.env.clock.after(answerTimeout, () => {
      row.timedOut = true
      this.hooks.changed(lane.conv)
    })
    this.hooks.changed(lane.conv)
  }

  private goBack(lane: Lane, n: number, refused: boolean): void {
    for (const row of lane.unanswered()) {
      if (row.n !== undefined && row.n >= n) this.offWire(row, refused)
    }
  }

  /** Up to half as long again as asked, so that not everybody comes back at once. */
  private holdBack(held: { pause: unknown }, ms: number, go: () => void): void {
    this.env.clock.cancel(held.pause)
    held.pause = this.env.clock.after(ms * (1 + this.env.random() / 2), () => {
      held.pause = undefined
      go()
    })
  }

  /** `refused`: the server said that this very transmission was not stored, so the doubt it left is gone. */
  private offWire(row: Pending, refused = false): void {
    if (row.wireId !== undefined && !refused) row.maybeStored = true
    row.wireId = undefined
    row.timedOut = false
    this.env.clock.cancel(row.answerTimer)
    row.answerTimer = undefined
  }

  // ---- answers

  private answered(re: number | undefined, conv: ConvId | undefined, n: number | undefined, dev: string | undefined) {
    for (const lane of this.lanes.values()) {
      if (re !== undefined) {
        const row = lane.rows.find((candidate) => candidate.wireId === re)
        if (row) return { lane, row }
      } else if (lane.conv === conv && lane.dev === (dev ?? this.dev) && n !== undefined) {
        const row = lane.byN(n)
        if (row && row.wireId !== undefined) return { lane, row }
      }
    }
    return undefined
  }

  private markStored(lane: Lane, row: Pending, seq: number, epoch: string, stable = 0): void {
    row.stored = { seq, epoch }
    if (seq <= stable) this.drop(lane, row)
    else this.commit({ put: this.waiting.has(row.local) ? [] : [bare(row)], lanes: [laneRow(lane)] })
    this.settled(lane, row, seq)
  }

  private settled(lane: Lane, row: Pending, seq: number): void {
    const settle = this.waiting.get(row.local)
    this.waiting.delete(row.local)
    settle?.({ ok: true, seq })
    this.hooks.changed(lane.conv)
    this.pumpLane(lane)
  }

  // ---- keeping

  private drop(lane: Lane, row: Pending): void {
    this.env.clock.cancel(row.answerTimer)
    lane.rows = lane.rows.filter((other) => other !== row)
    const change: OutboxChange = { remove: [row.local] }
    if (lane.dev === this.dev || lane.rows.length) change.lanes = lane.lastN ? [laneRow(lane)] : []
    else change.dropLanes = [[lane.dev, lane.conv]]
    this.commit(change)
  }

  /** Whoever used this browser before: their unsent texts are not sent in another name. */
  private dropForeign(): void {
    const foreign: OutboxRow[] = []
    for (const lane of this.lanes.values()) {
      for (const row of [...lane.rows]) {
        if (row.principal === undefined || row.principal === this.principal) continue
        if (!row.stored && row.type !== 'void') foreign.push(bare(row))
        this.drop(lane, row)
        this.hooks.changed(lane.conv)
      }
    }
    if (foreign.length) this.hooks.discarded(foreign)
  }

  private moveRows(from: ConvId, to: ConvId): void {
    for (const lane of [...this.lanes.values()]) {
      if (lane.conv !== from) continue
      for (const row of [...lane.rows]) this.place(lane, row, this.lane(this.dev, to))
      this.lanes.delete(key(lane.dev, from))
    }
    this.hooks.changed(from)
    this.pump()
  }

  /** A send that waits for its answer does not wait over a lost connection: the person is told and decides anew. */
  private failWaiting(lane: Lane): void {
    for (const row of lane.rows.filter((candidate) => this.waiting.has(candidate.local) && candidate.n === undefined)) {
      this.refuse(lane, row, { code: 'offline', message: '' })
    }
  }

  private commit(change: OutboxChange): void {
    void this.env.store.commit(change)
  }

  private remember(row: OutboxRow): void {
    this.localByN.set(`${row.dev}|${row.n}`, row.local)
  }

  /** Strictly growing, so that the order of writing survives a clock that stands still or is set back. */
  private stamp(): number {
    this.lastCreated = Math.max(this.lastCreated + 1, this.env.clock.wall())
    return this.lastCreated
  }

  private lane(dev: string, conv: ConvId, kept?: LaneRow): Lane {
    let lane = this.lanes.get(key(dev, conv))
    if (!lane) this.lanes.set(key(dev, conv), (lane = new Lane(dev, conv)))
    if (kept) Object.assign(lane, { lastN: Math.max(lane.lastN, kept.lastN), answeredN: Math.max(lane.answeredN, kept.answeredN) })
    return lane
  }

  private find(local: string): { lane: Lane; row: Pending } | undefined {
    for (const lane of this.lanes.values()) {
      const row = lane.rows.find((candidate) => candidate.local === local)
      if (row) return { lane, row }
    }
    return undefined
  }
}

const isMessage = (row: OutboxRow) => row.type === 'text' || row.type === 'note'
const key = (dev: string, conv: ConvId) => `${dev}|${conv}`
const laneRow = ({ dev, conv, lastN, answeredN }: Lane): LaneRow => ({ dev, conv, lastN, answeredN })

/** The part of a row that is kept. */
function bare(row: Pending): OutboxRow {
  const { local, dev, conv, n, principal, type, body, if: condition, created, stored, failure } = row
  return {
    local, dev, conv, type, created,
    ...(n !== undefined ? { n } : {}),
    ...(principal ? { principal } : {}),
    ...(body ? { body } : {}),
    ...(condition ? { if: condition } : {}),
    ...(stored ? { stored } : {}),
    ...(failure ? { failure } : {}),
  }
}
