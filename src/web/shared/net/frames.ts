/** Every frame of the protocol `parley.v1`, as docs/protocol.md describes it. 64-bit ids are strings, times are milliseconds. */

export type ConvId = string
export type Role = 'visitor' | 'agent'
export type AgentStatus = 'online' | 'busy' | 'away' | 'offline'
export type ConversationStatus = 'new' | 'waiting' | 'active' | 'closed'
export type SenderKind = 'v' | 'a' | 'b' | 'k' | 's'
export type SendType =
  | 'text' | 'note' | 'claim' | 'assign' | 'transfer' | 'close' | 'reopen' | 'edit' | 'recall' | 'void'

export interface Person { id: string; name: string }
export interface Sender { k: SenderKind; id: string; name?: string }
export interface AgentPresence { id: string; name: string; status: AgentStatus }
/** The history that seqs belong to, and the last seq held without a gap. */
export type Cursor = [epoch: string, seq: number]

export interface Conversation {
  conv: ConvId
  epoch: string
  head: number
  status: ConversationStatus
  claim: number
  assignee: Person | null
  channel?: string
  visitor?: Person
  created?: number
  last?: { ts: number; text: string; from: SenderKind; seq: number } | null
  waiting_since?: number | null
  /** Agents only. */
  number?: number
  unread?: number
  pos?: string
}

/** What the conversation is after an entry that changed it. */
export interface EntryState { status: ConversationStatus; claim: number; assignee: Person | null }

export interface EntryBody {
  text?: string
  ref?: number
  target?: number
  to?: Person | null
  note?: string
  reason?: string
}

export interface Entry {
  t?: 'entry'
  conv: ConvId
  seq: number
  /** So many entries right before this one are internal and are not sent to visitors. */
  skip?: number | undefined
  id: string
  ts: number
  type: string
  from: Sender
  dev?: string
  n?: number
  rev: number
  audience?: 'public' | 'internal'
  body?: EntryBody
  recalled?: boolean
  state?: EntryState
}

export interface Mark { p: string; rcv: number; read: number }
export interface Counts { waiting: number; mine: number; open: number }

export interface HelloFrame {
  t: 'hello'; id: number; ver: 1; role: Role; token?: string; dev: string; vis: boolean; echo: boolean
  cursors: Record<ConvId, Cursor>; resume?: string
}
export interface SendFrame {
  t: 'send'; id?: number; conv: ConvId; n: number; type: SendType; body?: object; dev?: string; if?: { claim: number }
}
export type ListView = 'waiting' | 'mine' | 'open' | 'closed'

export type ClientFrame =
  | HelloFrame
  | SendFrame
  | { t: 'sync'; id?: number; conv: ConvId; after?: number; before?: number; limit?: number }
  | { t: 'watch'; id?: number; conv: ConvId; epoch?: string; seq?: number }
  | { t: 'unwatch'; id?: number; conv: ConvId }
  | { t: 'watch'; id: number; view: ListView; limit?: number }
  | { t: 'unwatch'; id?: number; watch: number }
  | { t: 'inbox'; id?: number; since?: number | string; limit?: number }
  | { t: 'rcv' | 'read'; conv: ConvId; upto: number }
  | { t: 'typing'; conv: ConvId; on: boolean }
  | { t: 'status'; id?: number; value: AgentStatus }
  | { t: 'pong' }
  | { t: 'probe' }
  | { t: 'refresh'; id?: number; token: string }
  | { t: 'vis'; on: boolean }

export interface Limits { window: number; text: number; entry: number; inflight: number; frame: number }

export interface ReadyFrame {
  t: 'ready'; re?: number; refresh?: true; sid: string; gen: number; resume: string
  hb: { interval_ms: number; grace_ms: number }
  limits: Limits
  ts: number
  min_version?: number
  me: { k: SenderKind; id: string; role?: string; name?: string }
  tenant: Person
  online?: boolean
  conv?: Conversation
  agents?: AgentPresence[]
}
export interface ResumedFrame {
  t: 'resumed'; re?: number; conv: Conversation; state: 'ok' | 'reset'; marks?: Mark[]; stable?: number; more?: boolean
}
export interface EntryFrame extends Entry { t: 'entry' }
export interface AckFrame {
  t: 'ack'; re?: number; conv: ConvId; n: number; dev?: string; seq: number; epoch: string; id: string; ts: number
  stable?: number; dup?: boolean
  /** False: its entry does not follow, and reads as it was sent. */
  echo?: boolean; skip?: number
}
export interface PageFrame {
  t: 'page'; re?: number; conv: ConvId; epoch: string; head: number; stable?: number; items: Entry[]; more: boolean
}
export interface RowsFrame {
  t: 'rows'; re?: number; view: ListView | 'inbox'; rows: Conversation[]; counts?: Counts; more?: boolean
  ipos?: number | string
}
export interface DeltaFrame {
  t: 'delta'; watch: number; upsert?: Conversation[]; remove?: ConvId[]; counts?: Counts; changed?: boolean
}
export interface TypingFrame { t: 'typing'; conv: ConvId; on: boolean; from: Sender }
export interface PresenceFrame {
  t: 'presence'; agents?: AgentPresence[]; online?: boolean; conv?: ConvId; agent?: AgentPresence
}
export interface QueueFrame { t: 'queue'; conv: ConvId; position: number; online: boolean }
export interface ErrorFrame {
  t: 'error'; re?: number; id?: number; conv?: ConvId; n?: number; dev?: string; status: number; code: string
  message: string; field?: string; retry: boolean; after_ms?: number; ref?: string; expected?: number
  by?: Person; claim?: number
  /** With `closed`: the conversation to use instead. */
  to?: ConvId
}

export type ServerFrame =
  | ReadyFrame
  | ResumedFrame
  | EntryFrame
  | AckFrame
  | PageFrame
  | RowsFrame
  | DeltaFrame
  | TypingFrame
  | PresenceFrame
  | QueueFrame
  | ErrorFrame
  | { t: 'stable'; conv: ConvId; upto: number }
  | { t: 'marks'; conv: ConvId; marks: Mark[] }
  | { t: 'ping'; ts?: number }
  | { t: 'pong' }
  | { t: 'lag'; convs: Record<ConvId, number> }
  | { t: 'slow'; pause_ms: number }
  | { t: 'bye'; delay_ms: number; code?: string }
