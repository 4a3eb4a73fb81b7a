import type { ConnectionState, ConversationView, Item } from '@shared/net/api'
import { browserDatabases, browserEnvironment } from '@shared/net/browser'
import { LiveClient } from '@shared/net/live-client'
import { SiteDatabase } from '@shared/net/site-database'
import type { AppHost } from '../contract'
import { VisitorSession } from './visitor-session'

const draftKey = 'draft'
const seenKey = 'seen'
const draftDelay = 400

interface Seen { conv: string; seq: number }

export interface ChatState {
  connection: ConnectionState
  view: ConversationView
  /** An agent is there. */
  online: boolean
  open: boolean
  draft: string
}

/** The chat of one visitor, without its drawing: connection, drafts, unread counts and what the page is told. */
export class ChatModel {
  readonly client: LiveClient
  private readonly database: SiteDatabase
  private readonly session: VisitorSession
  private readonly listeners = new Set<() => void>()
  private readonly announcers = new Set<(item: Item) => void>()
  private open = false
  private started = false
  private draft = ''
  private draftTimer: ReturnType<typeof setTimeout> | undefined
  private lastStatus: string | undefined
  private lastQueue = 0
  private snapshot: ChatState | undefined

  constructor(private readonly host: AppHost) {
    this.database = new SiteDatabase(`parley-${host.key}`, browserDatabases())
    this.session = new VisitorSession(host.base, host.key, this.database)
    this.client = new LiveClient({
      url: `${host.base.replace(/^http/, 'ws')}/ws`,
      role: 'visitor',
      token: this.session.get,
      env: browserEnvironment(this.database),
    })
    this.client.on('connection', () => this.changed())
    this.client.on('ready', () => this.changed())
    this.client.on('conversation', () => this.changed())
    this.client.on('presence', () => this.changed())
    this.client.on('message', (entry) => {
      host.emit('message', { text: entry.body?.text ?? '', from: entry.from.name ?? '' })
      const item = this.state().view.items.find((candidate) => candidate.entry?.seq === entry.seq)
      if (item) for (const announce of this.announcers) announce(item)
    })
    this.client.on('discarded', (rows) => {
      if (!this.draft) this.setDraft(rows.map(({ text }) => text).join('\n'))
    })
    this.client.on('error', ({ code, message }) => host.emit('error', { code, message }))
    void this.restore()
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** Each live message of somebody else, once. */
  onIncoming(announce: (item: Item) => void): () => void {
    this.announcers.add(announce)
    return () => this.announcers.delete(announce)
  }

  state(): ChatState {
    return (this.snapshot ??= {
      connection: this.client.state,
      view: this.client.conversation(this.client.current ?? ''),
      online: this.client.ready?.online ?? this.host.config.online,
      open: this.open,
      draft: this.draft,
    })
  }

  setOpen(open: boolean): void {
    this.open = open
    if (open) this.start()
    this.changed()
  }

  setDraft(text: string): void {
    this.draft = text
    this.changed()
    this.client.typing(this.client.current ?? '', text.trim() !== '')
    clearTimeout(this.draftTimer)
    this.draftTimer = setTimeout(() => void this.keepDraft(), draftDelay)
  }

  send(text: string): void {
    const trimmed = text.replace(/\s+$/, '')
    if (trimmed.trim() === '') return
    this.start()
    this.session.keep()
    const first = this.state().view.items.length === 0
    this.client.send(this.client.current ?? '', { type: 'text', body: { text: trimmed } })
    if (first) this.host.emit('conversation:started', { conversation: this.client.current ?? '' })
  }

  sendDraft(): void {
    const text = this.draft
    this.draft = ''
    clearTimeout(this.draftTimer)
    void this.keepDraft()
    this.send(text)
    this.changed()
  }

  /** The next message begins a new conversation, on an empty page. */
  startNew(): void {
    this.client.startNew()
    this.changed()
  }

  /** The newest message was on the screen of somebody who looks at it. */
  markRead(): void {
    const { view } = this.state()
    const newest = [...view.items].reverse().find(({ entry, own }) => entry && !own)?.entry
    if (!newest || newest.seq <= view.ownRead) return
    this.client.markRead(view.id, newest.seq)
    void this.keepSeen({ conv: view.id, seq: newest.seq })
  }

  async logout(): Promise<void> {
    this.client.stop()
    this.session.forget()
    this.draft = ''
    await this.client.forget()
    await this.database.clear()
    this.started = false
    if (this.open) this.start()
    this.changed()
  }

  destroy(): void {
    clearTimeout(this.draftTimer)
    this.client.stop()
    this.listeners.clear()
    this.announcers.clear()
  }

  /** Someone who wrote before is reached again; a new visitor has no connection before he opens the panel. */
  private async restore(): Promise<void> {
    if (!(await this.database.exists())) return
    this.draft ||= (await this.database.get<string>(draftKey)) ?? ''
    const seen = await this.database.get<Seen>(seenKey)
    if (seen) this.client.markRead(seen.conv, seen.seq)
    this.start()
    this.changed()
  }

  private start(): void {
    if (this.started) return
    this.started = true
    this.client.start()
  }

  /** Receipts are for the other side; what counts as unread here is kept here. */
  private async keepSeen(seen: Seen): Promise<void> {
    if (await this.database.exists()) await this.database.set(seenKey, seen)
  }

  /** Only where something is stored already: typing alone leaves no trace. */
  private async keepDraft(): Promise<void> {
    if (await this.database.exists()) await this.database.set(draftKey, this.draft)
  }

  private changed(): void {
    this.snapshot = undefined
    const { view } = this.state()
    const newest = [...view.items].reverse().find(({ own, entry }) => entry && !own && entry.type === 'text')
    const unread = this.open ? 0 : view.unread
    this.host.setUnread(unread, newest && { from: newest.from.name ?? this.host.config.name, text: newest.body.text ?? '' })
    this.tellPage(view)
    for (const listener of this.listeners) listener()
  }

  private tellPage(view: ConversationView): void {
    const status = view.info?.status
    if (status === 'closed' && this.lastStatus && this.lastStatus !== 'closed') this.host.emit('conversation:ended', { conversation: view.id })
    this.lastStatus = status ?? this.lastStatus
    const position = view.queue?.position ?? 0
    if (position !== this.lastQueue) this.host.emit('queue', { position })
    this.lastQueue = position
  }
}
