import type { AckFrame, Conversation, ConvId, Cursor, Entry, Mark, PageFrame, ResumedFrame } from './frames'
import type { OutboxRow } from './ports'

/** What an applied entry means for the caller. `hole`: something before it is missing; ask for it. */
export type Applied = 'new' | 'known' | 'hole'

const heldAhead = 500

/**
 * What this client holds of one conversation: a gapless run of entries up to `last`, folded so that the newest revision of each
 * counts. Entries that arrive too early wait until the run reaches them.
 */
export class ConversationLog {
  info: Conversation | undefined
  /** The newest page has arrived. */
  loaded = false
  hasOlder = false
  readonly marks = new Map<string, Mark>()

  private readonly entries = new Map<number, Entry>()
  private readonly ahead = new Map<number, Entry>()
  private epoch: string | undefined
  /** End of the gapless run; absent until its first entry or an empty conversation is known. */
  private last: number | undefined
  private sorted: Entry[] | undefined

  constructor(readonly id: ConvId) {}

  cursor(): Cursor | undefined {
    return this.epoch !== undefined && this.last !== undefined ? [this.epoch, this.last] : undefined
  }

  /** Everything held, in order; own entries known only by their ack included. */
  all(): readonly Entry[] {
    return (this.sorted ??= [...this.entries.values()].sort((a, b) => a.seq - b.seq))
  }

  oldest(): number | undefined {
    return this.all()[0]?.seq
  }

  describe(info: Conversation): void {
    this.info = { ...this.info, ...info }
    if (info.status === 'new' || info.head === 0) {
      this.epoch = info.epoch
      this.last ??= 0
      this.loaded = true
    }
  }

  onResumed(frame: ResumedFrame): void {
    const fresh = frame.state === 'reset' || this.cursor() === undefined || this.epoch !== frame.conv.epoch
    if (fresh) this.clear()
    this.epoch = frame.conv.epoch
    if (fresh) this.hasOlder = frame.more ?? false
    this.describe(frame.conv)
    this.loaded = true
    this.onMarks(frame.marks ?? [])
  }

  onMarks(marks: Mark[]): void {
    for (const mark of marks) {
      const known = this.marks.get(mark.p)
      this.marks.set(mark.p, {
        p: mark.p,
        rcv: Math.max(mark.rcv, known?.rcv ?? 0),
        read: Math.max(mark.read, known?.read ?? 0),
      })
    }
  }

  /** A live entry. */
  apply(entry: Entry): Applied {
    if (this.last !== undefined && entry.seq <= this.last) {
      this.merge(entry)
      return 'known'
    }
    if (this.last !== undefined && entry.seq !== this.last + 1 + (entry.skip ?? 0)) {
      if (this.ahead.size < heldAhead) this.ahead.set(entry.seq, entry)
      return 'hole'
    }
    this.advance(entry)
    this.takeHeld()
    return 'new'
  }

  /** A page asked for with `after`: it continues the run, whatever lies between its items. True when more has to be asked for. */
  onNewer(page: PageFrame): boolean {
    for (const entry of page.items) {
      if (this.last === undefined || entry.seq > this.last) this.advance(entry)
      else this.merge(entry)
    }
    if (!page.more) this.takeHeld()
    return page.more || this.ahead.size > 0 && page.items.length > 0
  }

  onOlder(page: PageFrame): void {
    for (const entry of page.items) this.merge(entry)
    this.last ??= page.items[page.items.length - 1]?.seq
    this.hasOlder = page.more
  }

  /** Another history than the one held. */
  isOther(page: PageFrame): boolean {
    return this.epoch !== undefined && page.epoch !== this.epoch
  }

  restart(epoch: string): void {
    this.clear()
    this.epoch = epoch
  }

  /**
   * The server has an own send on disk. Either the ack is all that comes of it, or its entry follows: then it is shown at once, and
   * replaced by the entry (whose rev is higher).
   */
  onAck(row: OutboxRow, ack: AckFrame, from: Entry['from']): Applied {
    this.epoch ||= ack.epoch // a reserved conversation has none before its first entry
    if (ack.epoch !== this.epoch) return 'known'
    const alone = ack.echo === false && this.last !== undefined
    if (row.type !== 'text' && row.type !== 'note') return alone ? 'hole' : 'known' // it was given up, and is there all the same
    const entry: Entry = {
      conv: this.id, seq: ack.seq, id: ack.id, ts: ack.ts, type: row.type, from, dev: row.dev, n: ack.n, rev: alone ? ack.seq : 0,
      skip: ack.skip,
      ...(row.body ? { body: row.body as NonNullable<Entry['body']> } : {}),
    }
    this.merge(entry) // also before a hole: what is acknowledged stays on the screen
    return alone ? this.apply(entry) : 'known'
  }

  private advance(entry: Entry): void {
    this.last = entry.seq
    this.merge(entry)
    this.fold(entry)
    if (!this.info) return
    this.info.head = Math.max(this.info.head, entry.seq)
    if (entry.state) Object.assign(this.info, entry.state)
  }

  private takeHeld(): void {
    for (const [seq, entry] of [...this.ahead].sort((a, b) => a[0] - b[0])) {
      const last = this.last ?? 0
      if (seq > last && seq !== last + 1 + (entry.skip ?? 0)) continue
      this.ahead.delete(seq)
      if (seq > last) this.advance(entry)
      else this.merge(entry)
    }
  }

  private merge(entry: Entry): void {
    const known = this.entries.get(entry.seq)
    if (known && known.rev >= entry.rev) return
    this.entries.set(entry.seq, entry)
    this.sorted = undefined
  }

  /** An edit or a recall changes an entry that is held; one that is not held comes changed from the server. */
  private fold(entry: Entry): void {
    const target = entry.body?.target
    const known = target === undefined ? undefined : this.entries.get(target)
    if (!known || known.rev >= entry.seq) return
    const { body: _old, ...rest } = known
    if (entry.type === 'recall') this.entries.set(known.seq, { ...rest, rev: entry.seq, recalled: true })
    else if (entry.type === 'edit') this.entries.set(known.seq, { ...known, rev: entry.seq, body: { ...known.body, text: entry.body?.text ?? '' } })
    this.sorted = undefined
  }

  private clear(): void {
    this.entries.clear()
    this.ahead.clear()
    this.last = undefined
    this.loaded = false
    this.hasOlder = false
    this.sorted = undefined
  }
}
