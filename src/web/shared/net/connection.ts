import { SignInRefused, type AccessToken, type ConnectionState, type NetClientOptions } from './api'
import { retryDelay } from './backoff'
import { adviceFor } from './close-codes'
import type { ClientFrame, ConvId, Cursor, ReadyFrame, ServerFrame } from './frames'
import type { Socket, Timer } from './ports'

export const subprotocol = 'parley.v1'
const readyTimeout = 8_000
const probeTimeout = 3_000
/** A connection that lived this long was a good one: the next delay starts small again. */
const goodAfter = 5_000

export interface ConnectionHooks {
  dev(): Promise<string>
  cursors(): Record<ConvId, Cursor>
  nextId(): number
  onReady(ready: ReadyFrame): void
  onFrame(frame: ServerFrame): void
  /** Bytes of one WebSocket message, told after its frames were handled. */
  onBytes(bytes: number): void
  onDown(): void
  onState(state: ConnectionState): void
}

/** One socket and what is known about it. During a drain two of them live side by side. */
interface Link {
  socket: Socket
  open: boolean
  readyTimer: Timer
}

const utf8 = new TextEncoder()

/** Keeps one live socket: says hello, resumes, notices silence, waits and tries again. Knows nothing about conversations. */
export class Connection {
  state: ConnectionState = { phase: 'idle' }
  ready: ReadyFrame | undefined

  private live: Link | undefined
  private coming: Link | undefined
  private preparing = 0
  private attempt = 0
  private lostAt = 0
  private liveSince = 0
  private heardAt = 0
  private resume: string | undefined
  private token: AccessToken | undefined
  private wantsFreshToken = false
  private retryTimer: Timer
  private watchTimer: Timer
  private probeTimer: Timer
  private drainTimer: Timer
  private refreshTimer: Timer
  private stopListening: (() => void) | undefined

  constructor(private readonly options: NetClientOptions, private readonly hooks: ConnectionHooks) {}

  private get env() {
    return this.options.env
  }

  start(): void {
    if (this.stopListening) return
    this.stopListening = this.env.signals.listen({
      wake: () => this.wake(),
      offline: () => {
        if (this.state.phase === 'waiting') this.setState({ ...this.state, offline: true })
        this.probe()
      },
      visibility: (on) => {
        this.send({ t: 'vis', on })
        if (on) this.wake()
      },
    })
    this.lostAt = this.env.clock.now()
    this.open()
  }

  stop(): void {
    this.stopListening?.()
    this.stopListening = undefined
    this.dropAll()
    this.setState({ phase: 'idle' })
  }

  /** At once, whatever the waiting time; also out of a final state, because a person asked for it. */
  reconnect(): void {
    if (this.live || this.coming) return
    if (this.state.phase === 'stopped') this.resume = undefined
    this.env.clock.cancel(this.retryTimer)
    this.attempt = 0
    if (this.state.phase === 'stopped' || this.state.phase === 'idle') this.lostAt = this.env.clock.now()
    this.open()
  }

  /** False when there is no live connection; then nothing was sent. */
  send(frame: ClientFrame): boolean {
    if (!this.live) return false
    this.live.socket.send(JSON.stringify(frame))
    return true
  }

  private setState(state: ConnectionState): void {
    this.state = state
    this.hooks.onState(state)
  }

  private wake(): void {
    if (this.live) this.probe()
    else if (this.state.phase === 'waiting') this.reconnect()
  }

  private open(): void {
    if (this.coming || !this.stopListening) return
    const turn = ++this.preparing
    if (!this.live) this.setState({ phase: 'connecting', since: this.lostAt, attempt: this.attempt })
    void this.prepare().then(
      (dev) => {
        if (turn === this.preparing && this.stopListening) this.dial(dev)
      },
      (error: unknown) => {
        if (turn !== this.preparing || !this.stopListening) return
        if (error instanceof SignInRefused) this.end(error.reason, error.message)
        else this.retryLater()
      },
    )
  }

  private async prepare(): Promise<string> {
    if (this.options.token) {
      this.token = await this.options.token(this.wantsFreshToken)
      this.wantsFreshToken = false
    }
    return this.hooks.dev()
  }

  private dial(dev: string): void {
    const { clock, signals } = this.env
    const link: Link = { socket: undefined as unknown as Socket, open: false, readyTimer: undefined }
    link.readyTimer = clock.after(readyTimeout, () => this.lose(link, 1006))
    this.coming = link
    link.socket = this.env.connect(this.options.url, subprotocol, {
      onOpen: () => {
        link.open = true
        const hello: ClientFrame = {
          t: 'hello', id: this.hooks.nextId(), ver: 1, role: this.options.role, dev, vis: signals.visible(),
          echo: false, cursors: this.hooks.cursors(),
          ...(this.token ? { token: this.token.token } : {}),
          ...(this.resume ? { resume: this.resume } : {}),
        }
        link.socket.send(JSON.stringify(hello))
      },
      onMessage: (text) => this.receive(link, text),
      onClose: (code, reason) => this.lose(link, code, reason),
    })
  }

  private receive(link: Link, text: string): void {
    if (link !== this.live && link !== this.coming) return
    this.heardAt = this.env.clock.now()
    this.env.clock.cancel(this.probeTimer)
    this.probeTimer = undefined
    for (const frame of framesIn(text)) this.handle(link, frame)
    this.hooks.onBytes(utf8.encode(text).length)
  }

  private handle(link: Link, frame: ServerFrame): void {
    if (frame.t === 'ready') {
      this.resume = frame.resume
      if (!frame.refresh) this.becomeLive(link, frame)
      return
    }
    if (frame.t === 'ping') link.socket.send('{"t":"pong"}')
    else if (frame.t === 'bye') this.drain(frame.delay_ms)
    else this.hooks.onFrame(frame)
  }

  private becomeLive(link: Link, ready: ReadyFrame): void {
    const { clock } = this.env
    clock.cancel(link.readyTimer)
    if ((ready.min_version ?? 1) > 1) return this.end('outdated')
    const resumed = this.ready !== undefined
    const replaced = this.live
    this.ready = ready
    this.live = link
    this.coming = undefined
    if (replaced && replaced !== link) {
      this.hooks.onDown()
      replaced.socket.close(1000)
    }
    this.liveSince = clock.now()
    this.watch()
    this.planRefresh()
    this.setState({ phase: 'live', since: this.liveSince, resumed })
    this.hooks.onReady(ready)
  }

  /** The access token is replaced while the socket lives, so that its end never interrupts a conversation. */
  private planRefresh(): void {
    const { clock } = this.env
    clock.cancel(this.refreshTimer)
    const lifetime = this.token?.expiresInMs
    if (!this.options.token || !lifetime) return
    this.refreshTimer = clock.after(lifetime * 0.8, () => {
      void this.options.token?.(true).then((token) => {
        this.token = token
        this.send({ t: 'refresh', id: this.hooks.nextId(), token: token.token })
        this.planRefresh()
      }, () => {
        this.refreshTimer = clock.after(lifetime * 0.05, () => this.planRefresh())
      })
    })
  }

  private watch(): void {
    const { clock } = this.env
    clock.cancel(this.watchTimer)
    if (!this.ready) return
    const limit = this.ready.hb.interval_ms + this.ready.hb.grace_ms
    const left = this.heardAt + limit - clock.now()
    this.watchTimer = clock.after(Math.max(left, 250), () => {
      if (clock.now() - this.heardAt >= limit) this.probe()
      this.watch()
    })
  }

  /** Asks whether the line still carries anything; without an answer it is given up. */
  private probe(): void {
    const link = this.live
    if (!link || this.probeTimer !== undefined) return
    this.send({ t: 'probe' })
    this.probeTimer = this.env.clock.after(probeTimeout, () => {
      this.probeTimer = undefined
      this.lose(link, 4003)
    })
  }

  private drain(delay: number): void {
    this.env.clock.cancel(this.drainTimer)
    this.drainTimer = this.env.clock.after(delay, () => this.open())
  }

  private lose(link: Link, code: number, reason = ''): void {
    if (link !== this.live && link !== this.coming) return
    const { clock } = this.env
    clock.cancel(link.readyTimer)
    link.socket.close(1000)
    const wasLive = link === this.live
    if (wasLive) {
      this.live = undefined
      this.forgetTimersOfLive()
      if (clock.now() - this.liveSince >= goodAfter) this.attempt = 0
      this.lostAt = clock.now()
      this.hooks.onDown()
      // The other socket of this tab took over, for example in a drain: that is no reason to stop.
      if (this.coming) return
    } else {
      this.coming = undefined
    }
    const advice = adviceFor(code)
    if (advice.do === 'stop') return this.end(advice.reason, messageIn(reason))
    if (advice.do === 'drop-resume') this.resume = undefined
    if (advice.do === 'fresh-token') this.wantsFreshToken = true
    this.retryLater()
  }

  private retryLater(): void {
    const { clock, signals, random } = this.env
    const delay = retryDelay(this.attempt++, signals.visible(), random)
    if (!this.live) {
      const retryAt = clock.now() + delay
      this.setState({ phase: 'waiting', since: this.lostAt, attempt: this.attempt, retryAt, offline: !signals.online() })
    }
    clock.cancel(this.retryTimer)
    this.retryTimer = clock.after(delay, () => this.open())
  }

  private end(reason: Extract<ConnectionState, { phase: 'stopped' }>['reason'], message?: string): void {
    this.dropAll()
    this.setState({ phase: 'stopped', reason, ...(message ? { message } : {}) })
  }

  private forgetTimersOfLive(): void {
    for (const timer of [this.watchTimer, this.probeTimer, this.refreshTimer, this.drainTimer]) this.env.clock.cancel(timer)
    this.probeTimer = undefined
  }

  private dropAll(): void {
    this.preparing++
    this.env.clock.cancel(this.retryTimer)
    this.forgetTimersOfLive()
    const live = this.live
    const coming = this.coming
    this.live = undefined
    this.coming = undefined
    if (coming) this.env.clock.cancel(coming.readyTimer)
    coming?.socket.close(1000)
    live?.socket.close(1000)
    if (live) this.hooks.onDown()
  }
}

/** A message that is no JSON is passed over like an unknown frame: what it may have held comes back through `sync`. */
function framesIn(text: string): ServerFrame[] {
  try {
    const parsed = JSON.parse(text) as ServerFrame | ServerFrame[]
    return Array.isArray(parsed) ? parsed : [parsed]
  } catch {
    return []
  }
}

function messageIn(reason: string): string | undefined {
  try {
    const parsed = JSON.parse(reason) as { message?: unknown }
    return typeof parsed.message === 'string' ? parsed.message : undefined
  } catch {
    return undefined
  }
}
