import type {
  ConnectionState, ConversationView, LiveClientApi, NetClientOptions, NetEvents, SendRequest,
} from './api'
import { Coalescer } from './coalescer'
import { Connection } from './connection'
import { type Applied, ConversationLog } from './conversation-log'
import { Emitter } from './emitter'
import type {
  ClientFrame, ConvId, Conversation, Cursor, Entry, PageFrame, PresenceFrame, QueueFrame, ReadyFrame,
  ResumedFrame, Sender, ServerFrame,
} from './frames'
import { Outbox } from './outbox'
import { Requests, RequestFailed } from './requests'
import { Typing } from './typing'
import { itemsOf, reachOf } from './view'

const pageSize = 50
const catchUpPage = 100
const helloCursors = 50
/** Entries promised by `resumed` come right behind it; what has not come by then is asked for. */
const catchUpGrace = 300

/** What a visitor needs of the server's live side: one connection, and conversations that keep themselves complete. */
export class LiveClient implements LiveClientApi {
  protected readonly connection: Connection
  protected readonly outbox: Outbox
  private readonly requests: Requests
  private readonly events = new Emitter<NetEvents>()
  protected readonly logs = new Map<ConvId, ConversationLog>()
  private readonly queues = new Map<ConvId, QueueFrame>()
  private readonly agents = new Map<ConvId, NonNullable<PresenceFrame['agent']>>()
  private readonly syncing = new Set<ConvId>()
  private readonly ownRead = new Map<ConvId, number>()
  private readonly dirty = new Set<ConvId>()
  private readonly receipts: Coalescer
  private readonly reads: Coalescer
  private readonly typers: Typing
  private uncovered = 0
  protected ids = 0
  private offset = 0
  private currentConv: ConvId | undefined
  /** What the server keeps ready for a new conversation. */
  private freshConv: ConvId | undefined
  /** The visitor asked for a new one, and nothing stands in it yet. */
  private begun = false
  private devReady: Promise<string> | undefined

  constructor(private readonly options: NetClientOptions) {
    const { clock } = options.env
    this.connection = new Connection(options, {
      dev: () => this.dev(),
      cursors: () => this.cursors(),
      nextId: () => ++this.ids,
      onReady: (ready) => this.onReady(ready),
      onFrame: (frame) => this.onFrame(frame),
      onBytes: (bytes) => this.onBytes(bytes),
      onDown: () => this.onDown(),
      onState: (state) => this.events.emit('connection', state),
    })
    this.outbox = new Outbox(options.env, {
      send: (frame) => this.connection.send(frame),
      nextId: () => ++this.ids,
      changed: (conv) => this.changed(conv),
      acked: (row, ack) => {
        const log = this.log(ack.conv)
        this.reached(log, log.onAck(row, ack, this.me as Sender)) // known since `ready`
      },
      moved: (from, to) => this.onMoved(from, to),
      instead: () => this.freshConv ?? this.currentConv,
      discarded: (rows) => this.events.emit('discarded', rows.map(({ conv, body }) => ({ conv, text: textOf(body) }))),
    })
    this.requests = new Requests(clock)
    this.receipts = new Coalescer(clock, (conv, upto) => this.connection.send({ t: 'rcv', conv, upto }))
    this.reads = new Coalescer(clock, (conv, upto) => this.connection.send({ t: 'read', conv, upto }))
    this.typers = new Typing(clock, (conv, on) => this.connection.send({ t: 'typing', conv, on }), (conv) => this.changed(conv))
  }

  get state(): ConnectionState {
    return this.connection.state
  }

  get ready(): ReadyFrame | undefined {
    return this.connection.ready
  }

  get current(): ConvId | undefined {
    return this.currentConv
  }

  serverNow(): number {
    return this.options.env.clock.wall() + this.offset
  }

  on<K extends keyof NetEvents>(event: K, fn: (value: NetEvents[K]) => void): () => void {
    return this.events.on(event, fn)
  }

  start(): void {
    void this.dev()
    this.connection.start()
  }

  stop(): void {
    this.connection.stop()
    this.typers.clear()
    this.receipts.clear()
    this.reads.clear()
  }

  reconnect(): void {
    this.connection.reconnect()
  }

  conversation(conv: ConvId): ConversationView {
    const log = this.log(conv)
    const me = this.me
    const items = itemsOf({
      log,
      pending: this.outbox.shown(conv),
      sending: this.state.phase === 'live' && this.outbox.pause === undefined,
      me,
      isOwn: (entry) => this.isOwn(entry),
      localOf: (dev, n) => this.outbox.localOf(dev, n),
    })
    const ownRead = this.ownReadOf(log)
    const queue = this.queues.get(conv)
    return {
      id: conv,
      info: log.info,
      items,
      hasOlder: log.hasOlder,
      loaded: log.loaded,
      caughtUp: log.loaded && (log.cursor()?.[1] ?? 0) >= (log.info?.head ?? 0),
      typing: this.typers.in(conv),
      othersRead: reachOf(log, me).read,
      ownRead,
      unread: items.filter(({ entry, own }) => entry && !own && isMessage(entry) && entry.seq > ownRead).length,
      queue: queue && queue.position > 0 ? { position: queue.position, online: queue.online } : undefined,
      agent: this.agents.get(conv),
    }
  }

  send(conv: ConvId, request: SendRequest): string {
    this.options.env.identity.keep()
    this.typers.input(conv, false)
    return this.outbox.add(conv, request)
  }

  startNew(): void {
    this.begun = true
    this.currentConv = this.freshConv ?? this.currentConv
  }

  retry(local: string): void {
    this.outbox.retry(local)
  }

  discard(local: string): string | undefined {
    return this.outbox.discard(local)
  }

  async loadOlder(conv: ConvId): Promise<void> {
    const log = this.log(conv)
    const before = log.oldest()
    if (!log.hasOlder || before === undefined) return
    const page = await this.request<PageFrame>((id) => ({ t: 'sync', id, conv, before, limit: pageSize }))
    if (log.isOther(page)) this.reload(log, page.epoch)
    else log.onOlder(page)
    this.changed(conv)
  }

  markRead(conv: ConvId, seq: number): void {
    if (seq <= (this.ownRead.get(conv) ?? 0)) return
    this.ownRead.set(conv, seq)
    this.reads.mark(conv, seq)
    this.changed(conv)
  }

  typing(conv: ConvId, on: boolean): void {
    this.typers.input(conv, on)
  }

  async forget(): Promise<void> {
    for (const map of [this.logs, this.queues, this.agents, this.ownRead]) map.clear()
    this.currentConv = this.freshConv = undefined
    this.begun = false
    this.receipts.clear()
    this.reads.clear()
    await this.outbox.clear()
  }

  // ---- the connection

  private dev(): Promise<string> {
    this.devReady ??= this.options.env.identity.claim().then(async (dev) => {
      await this.outbox.restore(dev)
      // Before the first `ready` a visitor's unsent messages are shown where they were written.
      if (this.options.role === 'visitor') this.currentConv ??= this.outbox.conversations()[0]
      return dev
    })
    return this.devReady.then(() => this.options.env.identity.claim())
  }

  private cursors(): Record<ConvId, Cursor> {
    const cursors: Record<ConvId, Cursor> = {}
    for (const conv of this.wanted().slice(0, helloCursors)) {
      const cursor = this.logs.get(conv)?.cursor()
      if (cursor) cursors[conv] = cursor
    }
    return cursors
  }

  /** The conversations to resume. */
  protected wanted(): ConvId[] {
    return this.currentConv ? [this.currentConv] : []
  }

  /** Asks for what a new connection does not bring by itself. `held` is resumed already. */
  protected subscribe(_held: Record<ConvId, Cursor>): void {}

  private onReady(ready: ReadyFrame): void {
    this.offset = ready.ts - this.options.env.clock.wall()
    const held = this.cursors()
    if (ready.conv) this.onOwnConversation(ready.conv)
    void this.options.env.identity.claim().then((dev) => {
      if (this.state.phase === 'live') this.outbox.up(dev, `${ready.me.k}:${ready.me.id}`, ready.limits.inflight)
    })
    this.subscribe(held)
    this.receipts.repeat()
    this.reads.repeat()
    this.events.emit('ready', ready)
    for (const conv of this.logs.keys()) this.changed(conv)
  }

  private onOwnConversation(info: Conversation): void {
    this.begun &&= info.status === 'closed'
    if (!this.begun) this.currentConv = info.conv
    this.log(info.conv).describe(info)
    this.outbox.resolve(info.conv)
  }

  private onDown(): void {
    this.syncing.clear()
    this.requests.failAll()
    this.typers.clear()
    this.outbox.down()
    for (const conv of this.logs.keys()) this.changed(conv)
  }

  private onBytes(bytes: number): void {
    this.uncovered += bytes
    const window = this.ready?.limits.window ?? 0
    if (window && this.uncovered >= window / 4) this.receipts.flush()
    if (this.uncovered >= window / 4) this.uncovered = 0
  }

  // ---- frames

  protected onFrame(frame: ServerFrame): void {
    if (frame.t === 'resumed') this.onResumed(frame)
    if (this.requests.settle(frame)) return
    switch (frame.t) {
      case 'entry': return this.onEntry(frame)
      case 'ack':
        this.outbox.onAck(frame)
        return this.outbox.onStable(frame.conv, frame.stable ?? 0)
      case 'stable': return this.outbox.onStable(frame.conv, frame.upto)
      case 'error':
        if (this.outbox.onError(frame)) return
        return this.events.emit('error', frame)
      case 'marks':
        this.log(frame.conv).onMarks(frame.marks)
        return this.changed(frame.conv)
      case 'typing': return this.typers.onFrame(frame)
      case 'presence': return this.onPresence(frame)
      case 'queue':
        this.queues.set(frame.conv, frame)
        this.events.emit('queue', frame)
        return this.changed(frame.conv)
      case 'lag':
        for (const conv of Object.keys(frame.convs)) this.sync(this.log(conv))
        return
      case 'slow': return this.outbox.slow(frame.pause_ms)
    }
  }

  private onResumed(frame: ResumedFrame): void {
    const log = this.log(frame.conv.conv)
    const restarted = frame.state === 'reset'
    const hadCursor = log.cursor() !== undefined && !restarted
    log.onResumed(frame)
    if (restarted) {
      this.receipts.reset(log.id)
      this.reads.reset(log.id)
      this.ownRead.delete(log.id)
    }
    this.outbox.onReset(log.id, [frame.conv.epoch, frame.conv.head])
    this.outbox.onStable(log.id, frame.stable ?? frame.conv.head)
    if (frame.conv.status === 'new') {
      this.freshConv = log.id
      if (this.begun) this.currentConv = log.id
    }
    if (hadCursor && frame.more) {
      this.options.env.clock.after(catchUpGrace, () => {
        if ((log.cursor()?.[1] ?? 0) < (log.info?.head ?? 0)) this.sync(log)
      })
    }
    this.changed(log.id)
  }

  private onEntry(entry: Entry): void {
    const log = this.log(entry.conv)
    const live = log.loaded
    if (entry.conv === this.freshConv) {
      // Perhaps from another tab of this visitor.
      this.currentConv = entry.conv
      this.begun = false
    }
    if (this.isOwn(entry)) this.outbox.onEcho(entry, log.cursor()?.[0] ?? log.info?.epoch ?? '')
    const applied = log.apply(entry)
    this.afterEntry(log, entry, applied)
    if (live && applied === 'new' && !this.isOwn(entry)) this.events.emit('message', entry)
  }

  private afterEntry(log: ConversationLog, entry: Entry, applied?: Applied): void {
    this.typers.ended(entry.conv, entry.from)
    this.reached(log, applied)
  }

  private reached(log: ConversationLog, applied?: Applied): void {
    if (applied === 'hole') this.sync(log)
    const last = log.cursor()?.[1]
    if (last) this.receipts.mark(log.id, last)
    this.changed(log.id)
  }

  private onPresence(frame: PresenceFrame): void {
    const ready = this.ready
    if (ready && frame.online !== undefined) ready.online = frame.online
    if (ready && frame.agents) {
      const byId = new Map((ready.agents ?? []).map((agent) => [agent.id, agent]))
      for (const agent of frame.agents) byId.set(agent.id, agent)
      ready.agents = [...byId.values()]
    }
    if (frame.conv && frame.agent) this.agents.set(frame.conv, frame.agent)
    this.events.emit('presence', frame)
    if (frame.conv) this.changed(frame.conv)
    else if (this.currentConv) this.changed(this.currentConv)
  }

  private onMoved(from: ConvId, to: ConvId): void {
    this.currentConv = to
    this.log(to).loaded = true
    this.events.emit('moved', { from, to })
  }

  // ---- catching up

  /** Fills the gap after the run that is held. One request at a time per conversation. */
  private sync(log: ConversationLog): void {
    const cursor = log.cursor()
    if (this.syncing.has(log.id)) return
    if (!cursor) return this.reload(log, log.info?.epoch ?? '')
    this.syncing.add(log.id)
    this.request<PageFrame>((id) => ({ t: 'sync', id, conv: log.id, after: cursor[1], limit: catchUpPage })).then(
      (page) => {
        this.syncing.delete(log.id)
        if (log.isOther(page)) return this.reload(log, page.epoch)
        const more = log.onNewer(page)
        if (page.stable !== undefined) this.outbox.onStable(log.id, page.stable)
        for (const entry of page.items) {
          if (this.isOwn(entry)) this.outbox.onEcho(entry, page.epoch)
          this.afterEntry(log, entry)
        }
        if (more) this.sync(log)
      },
      (error: unknown) => {
        // A lost connection resumes by itself; a refusal is tried again by the next entry or resume.
        this.syncing.delete(log.id)
        if (error instanceof RequestFailed && error.frame?.retry) {
          this.options.env.clock.after(error.frame.after_ms ?? 1_000, () => this.sync(log))
        }
      },
    )
  }

  /** The history changed under us: begin again with its newest page. */
  private reload(log: ConversationLog, epoch: string): void {
    log.restart(epoch)
    this.syncing.add(log.id)
    const before = Number.MAX_SAFE_INTEGER
    this.request<PageFrame>((id) => ({ t: 'sync', id, conv: log.id, before, limit: pageSize })).then(
      (page) => {
        this.syncing.delete(log.id)
        log.restart(page.epoch)
        log.onOlder(page)
        log.loaded = true
        this.outbox.onReset(log.id, [page.epoch, page.head])
        this.changed(log.id)
      },
      () => this.syncing.delete(log.id),
    )
  }

  private request<T extends ServerFrame>(frame: (id: number) => ClientFrame): Promise<T> {
    const id = ++this.ids
    if (!this.connection.send(frame(id))) return Promise.reject(new RequestFailed('offline'))
    return this.requests.expect<T>(id)
  }

  // ---- small things

  private get me(): Sender | undefined {
    const me = this.ready?.me
    return me && { k: me.k, id: me.id, ...(me.name ? { name: me.name } : {}) }
  }

  /** A visitor is alone on his side; before `ready` told who one is, every visitor's entry is taken for an own one. */
  private isOwn({ from }: Entry): boolean {
    if (this.options.role === 'visitor') return from.k === 'v'
    return from.k === 'a' && from.id === this.ready?.me.id
  }

  private ownReadOf(log: ConversationLog): number {
    const me = this.me
    const marked = me ? log.marks.get(`${me.k}:${me.id}`)?.read ?? 0 : 0
    const known = Math.max(marked, this.ownRead.get(log.id) ?? 0)
    if (known || !log.info?.unread) return known
    const others = log.all().filter((entry) => !this.isOwn(entry) && isMessage(entry))
    const firstUnread = others[Math.max(0, others.length - log.info.unread)]
    return firstUnread ? firstUnread.seq - 1 : 0
  }

  private log(conv: ConvId): ConversationLog {
    let log = this.logs.get(conv)
    if (!log) this.logs.set(conv, (log = new ConversationLog(conv)))
    return log
  }

  private changed(conv: ConvId): void {
    if (this.dirty.size === 0) {
      void Promise.resolve().then(() => {
        const convs = [...this.dirty]
        this.dirty.clear()
        for (const id of convs) this.events.emit('conversation', id)
      })
    }
    this.dirty.add(conv)
  }
}

const isMessage = (entry: Entry) => entry.type === 'text' || entry.type === 'note'
const textOf = (body: Record<string, unknown> | undefined) => (typeof body?.['text'] === 'string' ? body['text'] : '')
