/** What the user interfaces see of the network client. */
import type {
  AgentStatus, ConvId, Conversation, Counts, Entry, ErrorFrame, ListView, PresenceFrame, QueueFrame, ReadyFrame, Role, Sender,
  SendType,
} from './frames'
import type { Environment } from './ports'

/** queued: no connection yet, or the server asked to wait. sending: on a wire. sent: stored. delivered / read: on the other side. */
export type MessageState = 'queued' | 'sending' | 'sent' | 'delivered' | 'read' | 'failed'

export interface Failure {
  /** An error code of the protocol, or `timeout` (connected, no answer for 15 s), or `unverified` (the answer was forgotten). */
  code: string
  /** The server's own words; empty where the code is of this client's making. Interfaces show their own text by code. */
  message: string
  ref?: string
}

/** One row of a conversation as it is shown: a stored entry, or an own send that has no entry yet. */
export interface Item {
  /** Stable while an own send turns into its entry, so that it can key a list. */
  key: string
  /** Set while this is an own send that can be retried or deleted. */
  local?: string
  /** Set once it is stored. */
  entry?: Entry
  type: string
  body: { text?: string; ref?: number }
  ts: number
  from: Sender
  own: boolean
  state: MessageState
  failure?: Failure
  edited: boolean
  recalled: boolean
}

export interface ConversationView {
  id: ConvId
  /** What the server last said; absent until then. */
  info: Conversation | undefined
  /** In order: stored entries first, then own sends that are on their way. */
  items: readonly Item[]
  /** There are older entries to load. */
  hasOlder: boolean
  /** The newest page has arrived. */
  loaded: boolean
  /** Nothing the server has told of is still on its way: what is held reaches up to the head. */
  caughtUp: boolean
  /** Who is typing now. */
  typing: readonly Sender[]
  /** How far the others have read, as a seq. */
  othersRead: number
  /** How far this person has read, as a seq. */
  ownRead: number
  /** Entries of others above ownRead. */
  unread: number
  queue: { position: number; online: boolean } | undefined
  /** Visitors: the agent who has the conversation, with the status. */
  agent: { id: string; name: string; status: AgentStatus } | undefined
}

export type StopReason =
  | 'protocol' | 'auth' | 'banned' | 'tenant_disabled' | 'origin' | 'superseded' | 'outdated'

export type ConnectionState =
  | { phase: 'idle' }
  /** `since` is when the connection was lost, or first wanted. */
  | { phase: 'connecting'; since: number; attempt: number }
  | { phase: 'waiting'; since: number; attempt: number; retryAt: number; offline: boolean }
  | { phase: 'live'; since: number; resumed: boolean }
  | { phase: 'stopped'; reason: StopReason; message?: string }

export interface NetEvents {
  connection: ConnectionState
  ready: ReadyFrame
  /** Something shown in this conversation changed. Coalesced: at most one per turn of the event loop. */
  conversation: ConvId
  /** A new entry of somebody else arrived live (not from a page). */
  message: Entry
  presence: PresenceFrame
  queue: QueueFrame
  /** An error that belongs to no request and no send. */
  error: ErrorFrame
  /** A message of the visitor was moved into a new conversation, because the old one is closed for good. */
  moved: { from: ConvId; to: ConvId }
  /** Unsent texts of somebody else who used this browser; they are not sent. Offer them as a draft. */
  discarded: { conv: ConvId; text: string }[]
}

export interface AccessToken { token: string; expiresInMs?: number }

/** Thrown by a token function when trying again cannot help. */
export class SignInRefused extends Error {
  constructor(readonly reason: StopReason, message?: string) {
    super(message ?? reason)
  }
}

export interface NetClientOptions {
  /** wss://… or ws://…, ending in /ws */
  url: string
  role: Role
  /** A valid access token; `fresh` asks for a new one because the last is ending. Consoles with a cookie leave it out. */
  token?: (fresh: boolean) => Promise<AccessToken>
  env: Environment
}

export interface ListWatch {
  view: ListView
  limit?: number
  onRows: (rows: Conversation[], counts: Counts | undefined, more: boolean) => void
  onDelta: (upsert: Conversation[], remove: ConvId[], counts: Counts | undefined, changed: boolean) => void
}

/** What a send needs besides its conversation. */
export interface SendRequest { type: SendType; body?: Record<string, unknown>; if?: { claim: number } }

/** The answer to a send, for actions that want to wait for it (claim, close, …). */
export type SendResult = { ok: true; seq: number } | { ok: false; error: Failure & { by?: { id: string; name: string } } }

/** What every client can do; all that the widget needs. */
export interface LiveClientApi {
  readonly state: ConnectionState
  readonly ready: ReadyFrame | undefined
  /** Server time now, in milliseconds; equals the local clock before the first `ready`. */
  serverNow(): number
  on<K extends keyof NetEvents>(event: K, fn: (value: NetEvents[K]) => void): () => void
  start(): void
  /** Closes for good. Unanswered sends stay in the store. */
  stop(): void
  /** "Try now", and "use here" after `superseded`. */
  reconnect(): void
  /** The visitor's conversation, as `ready` or a move named it. */
  readonly current: ConvId | undefined
  /** After the end of a conversation: from now on `current` is the id that the server keeps ready for the next one. */
  startNew(): void
  conversation(conv: ConvId): ConversationView
  /**
   * Puts a message into the outbox and returns its local id. Shown at once; sent when possible; survives a reload.
   * `conv` may be '' for a visitor who does not know his conversation yet.
   */
  send(conv: ConvId, request: SendRequest): string
  /** After a time-out the same send again; after a refusal a new one. */
  retry(local: string): void
  /** Deletes an own send that was not stored; returns its text. */
  discard(local: string): string | undefined
  loadOlder(conv: ConvId): Promise<void>
  /** Everything up to `seq` was shown in a focused window. Sent at most once a second. */
  markRead(conv: ConvId, seq: number): void
  /** The person is typing (call on each input), or has stopped. */
  typing(conv: ConvId, on: boolean): void
  /** Forgets everything held in memory and in the store. */
  forget(): Promise<void>
}

/** The client of the console. */
export interface NetClientApi extends LiveClientApi {
  /** As send(), but tells the answer. For actions of agents, which are not kept over a reload. */
  act(conv: ConvId, request: SendRequest): Promise<SendResult>
  /** Keeps this conversation up to date, across reconnects. Returns the end of it. */
  watch(conv: ConvId): () => void
  /** Keeps a list up to date, across reconnects. Returns the end of it. */
  watchList(watch: ListWatch): () => void
  setStatus(value: AgentStatus): Promise<void>
}
