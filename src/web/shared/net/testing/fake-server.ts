import type {
  AckFrame, ClientFrame, Conversation, Entry, ErrorFrame, HelloFrame, SendFrame, ServerFrame,
} from '../frames'
import type { Connect, SocketHandlers } from '../ports'
import type { FakeClock } from './fake-clock'

interface FakeSocket { handlers: SocketHandlers; open: boolean; hello?: HelloFrame }
type Refusal = Partial<ErrorFrame> & { code: string; status: number; retry: boolean }

export const visitorId = '7261402000'
export const agentId = '72614'

/** A small model of the daemon with one conversation: enough of the contract to try a client against. */
export class FakeServer {
  conv = '7261402113'
  epoch = 'k3f9'
  /** Before the first entry: '' from the daemon. */
  reservedEpoch = 'k3f9'
  entries: Entry[] = []
  status: Conversation['status'] = 'new'
  /** Set to lose things on the way. */
  reachable = true
  dropAcks = false
  dropEchoes = false
  holdEntries: Entry[] | undefined
  echoFirst = false
  principal = visitorId
  refuse: ((frame: SendFrame) => Refusal | undefined) | undefined
  readonly hellos: HelloFrame[] = []
  readonly received: ClientFrame[] = []
  readonly sockets: FakeSocket[] = []
  private counters = new Map<string, number>()
  private answers = new Map<string, ServerFrame>()

  constructor(private readonly clock: FakeClock) {}

  readonly connect: Connect = (_url, _protocol, handlers) => {
    const socket: FakeSocket = { handlers, open: false }
    this.sockets.push(socket)
    this.clock.after(1, () => {
      if (!this.reachable) return handlers.onClose(1006, '')
      socket.open = true
      handlers.onOpen()
    })
    return {
      send: (text) => {
        if (!socket.open || !this.reachable) return
        this.clock.after(1, () => socket.open && this.reachable && this.onFrame(socket, JSON.parse(text) as ClientFrame))
      },
      close: () => {
        socket.open = false
      },
    }
  }

  /** The socket in use. */
  get socket(): FakeSocket | undefined {
    return [...this.sockets].reverse().find(({ open }) => open)
  }

  push(frame: ServerFrame, socket = this.socket): void {
    if (socket?.open) socket.handlers.onMessage(JSON.stringify(frame))
  }

  close(code: number, reason = ''): void {
    const socket = this.socket
    if (!socket) return
    socket.open = false
    socket.handlers.onClose(code, reason)
  }

  /** Forgets everything, as after a loss of the disk. */
  loseHistory(epoch: string, kept: Entry[] = []): void {
    this.epoch = epoch
    this.entries = kept
    this.counters = new Map()
    this.answers = new Map()
  }

  agentSays(text: string): Entry {
    return this.append({ type: 'text', from: { k: 'a', id: agentId, name: 'Li Na' }, body: { text } })
  }

  append(part: Partial<Entry> & Pick<Entry, 'type' | 'from'>, push = true): Entry {
    const seq = this.entries.length + 1
    const entry: Entry = { t: 'entry', conv: this.conv, seq, id: `9${seq}`, ts: this.clock.wall(), rev: seq, ...part }
    this.entries.push(entry)
    if (this.holdEntries) this.holdEntries.push(entry)
    else if (push && !this.dropEchoes) this.push(entry as ServerFrame)
    return entry
  }

  info(): Conversation {
    return {
      conv: this.conv, epoch: this.entries.length ? this.epoch : this.reservedEpoch, head: this.entries.length, status: this.status,
      claim: 0, assignee: null,
    }
  }

  sends(): SendFrame[] {
    return this.received.filter((frame): frame is SendFrame => frame.t === 'send')
  }

  texts(): string[] {
    return this.entries.filter(({ type }) => type === 'text').map(({ body }) => body?.text ?? '')
  }

  private onFrame(socket: FakeSocket, frame: ClientFrame): void {
    this.received.push(frame)
    if (frame.t === 'hello') return this.onHello(socket, frame)
    if (frame.t === 'probe') return this.push({ t: 'pong' }, socket)
    if (frame.t === 'send') return this.onSend(socket, frame)
    if (frame.t === 'watch' && 'conv' in frame) return this.resume(socket, undefined, frame.id)
    if (frame.t === 'sync') {
      const limit = frame.limit ?? 100
      const newer = this.entries.filter((e) => e.seq > (frame.after ?? 0))
      const older = this.entries.filter((e) => e.seq < (frame.before ?? Infinity))
      const items = frame.after !== undefined ? newer.slice(0, limit) : older.slice(-limit)
      const more = frame.after !== undefined ? newer.length > limit : older.length > limit
      const head = this.entries.length
      this.push({ t: 'page', ...(frame.id ? { re: frame.id } : {}), conv: this.conv, epoch: this.epoch, head, items, more }, socket)
    }
  }

  private onHello(socket: FakeSocket, hello: HelloFrame): void {
    socket.hello = hello
    this.hellos.push(hello)
    this.push({
      t: 'ready', re: hello.id, sid: 's1', gen: this.hellos.length, resume: `blob-${this.hellos.length}`,
      hb: { interval_ms: 25_000, grace_ms: 15_000 },
      limits: { window: 131_072, text: 4_000, entry: 16_384, inflight: 16, frame: 65_536 },
      ts: this.clock.wall(), me: { k: hello.role === 'agent' ? 'a' : 'v', id: this.principal },
      tenant: { id: '1', name: 'Demo' }, online: true, ...(hello.role === 'visitor' ? { conv: this.info() } : {}),
    }, socket)
    const cursor = hello.cursors[this.conv]
    if (hello.role === 'visitor' ? this.status !== 'new' : cursor) this.resume(socket, cursor, hello.id)
  }

  private resume(socket: FakeSocket, cursor: [string, number] | undefined, re = 0): void {
    const valid = cursor && cursor[0] === this.epoch && cursor[1] <= this.entries.length
    const state = cursor && !valid ? 'reset' : 'ok'
    const items = valid ? this.entries.filter(({ seq }) => seq > cursor[1]).slice(0, 200) : this.entries.slice(-50)
    const more = valid ? this.entries.length - cursor[1] > 200 : this.entries.length > 50
    this.push({ t: 'resumed', re, conv: this.info(), state, marks: [], more }, socket)
    for (const entry of items) this.push(entry as ServerFrame, socket)
  }

  private onSend(socket: FakeSocket, frame: SendFrame): void {
    const dev = frame.dev ?? socket.hello?.dev ?? ''
    const lane = `${dev}|${frame.conv}`
    const last = this.counters.get(lane) ?? 0
    const key = `${lane}|${frame.n}`
    const re = frame.id ? { re: frame.id } : {}
    const error = (refusal: Refusal): void =>
      this.push({ t: 'error', ...re, conv: frame.conv, n: frame.n, message: refusal.code, ref: 'r1', ...refusal }, socket)
    const known = this.answers.get(key)
    if (known) {
      const answer = { ...known, ...re } as ServerFrame
      return this.push(answer.t === 'ack' ? { ...answer, dup: true } : answer, socket)
    }
    if (frame.n !== last + 1) return error({ status: 412, code: 'out_of_order', retry: true, expected: last + 1 })
    const refusal = this.refuse?.(frame)
    if (refusal) {
      if (!refusal.retry) {
        this.counters.set(lane, frame.n)
        this.answers.set(key, { t: 'error', conv: frame.conv, n: frame.n, message: refusal.code, ...refusal })
      }
      return error(refusal)
    }
    this.counters.set(lane, frame.n)
    const ack: AckFrame = { t: 'ack', conv: frame.conv, n: frame.n, seq: 0, epoch: this.epoch, id: '', ts: this.clock.wall() }
    const echo = socket.hello?.echo !== false || frame.type !== 'text' || this.status === 'new' || frame.dev !== undefined
    if (frame.type !== 'void') {
      if (this.status === 'new') this.status = 'waiting'
      Object.assign(ack, { seq: this.entries.length + 1, id: `9${this.entries.length + 1}`, stable: this.entries.length + 1 })
    }
    this.answers.set(key, ack)
    const answer = () => !this.dropAcks && this.push({ ...ack, ...re, ...(echo ? {} : { echo }) }, socket)
    if (!this.echoFirst) answer()
    if (frame.type !== 'void') {
      const k = socket.hello?.role === 'agent' ? 'a' : 'v'
      this.append({ conv: frame.conv, type: frame.type, from: { k, id: this.principal }, dev, n: frame.n, ...(frame.body ? { body: frame.body } : {}) }, echo)
    }
    if (this.echoFirst) answer()
  }
}
