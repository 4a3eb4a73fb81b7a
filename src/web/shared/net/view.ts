import type { Item, MessageState } from './api'
import type { ConversationLog } from './conversation-log'
import type { Entry, Sender } from './frames'
import type { Pending } from './lane'

/** Entry types that are drawn. Others move the numbering on and stay invisible. */
const drawn = new Set(['text', 'note', 'claim', 'assign', 'transfer', 'close', 'reopen'])

export interface ViewInput {
  log: ConversationLog
  pending: Pending[]
  /** What is not on a wire can get there. */
  sending: boolean
  me: Sender | undefined
  isOwn(entry: Entry): boolean
  localOf(dev: string | undefined, n: number | undefined): string | undefined
}

export interface Reach { rcv: number; read: number }

/** How far the other side is: for a visitor the agents, for an agent the visitor. */
export function reachOf(log: ConversationLog, me: Sender | undefined): Reach {
  const other = me?.k === 'a' ? 'v:' : 'a:'
  const reach = { rcv: 0, read: 0 }
  for (const mark of log.marks.values()) {
    if (!mark.p.startsWith(other)) continue
    reach.rcv = Math.max(reach.rcv, mark.rcv)
    reach.read = Math.max(reach.read, mark.read)
  }
  return reach
}

export function itemsOf(input: ViewInput): Item[] {
  const { log, pending, sending, me } = input
  const reach = reachOf(log, me)
  const items: Item[] = []
  const shown = new Set<string>()
  for (const entry of log.all()) {
    if (!drawn.has(entry.type)) continue
    const own = input.isOwn(entry)
    const local = own ? input.localOf(entry.dev, entry.n) : undefined
    if (local) shown.add(local)
    items.push({
      key: local ?? `${entry.conv}:${entry.seq}`,
      entry,
      type: entry.type,
      body: entry.body ?? {},
      ts: entry.ts,
      from: entry.from,
      own,
      state: entry.seq <= reach.read ? 'read' : entry.seq <= reach.rcv ? 'delivered' : 'sent',
      edited: entry.rev > entry.seq && !entry.recalled,
      recalled: entry.recalled ?? false,
    })
  }
  for (const row of pending) {
    if (shown.has(row.local)) continue
    items.push({
      key: row.local,
      local: row.local,
      type: row.type,
      body: row.body ?? {},
      ts: row.created,
      from: me ?? { k: 'v', id: '' },
      own: true,
      state: stateOf(row, sending),
      ...(row.failure ? { failure: row.failure } : {}),
      ...(row.timedOut && !row.failure ? { failure: timeoutFailure } : {}),
      edited: false,
      recalled: false,
    })
  }
  return items
}

const timeoutFailure = { code: 'timeout', message: '' }

function stateOf(row: Pending, sending: boolean): MessageState {
  if (row.failure || row.timedOut) return 'failed'
  return sending || row.wireId !== undefined ? 'sending' : 'queued'
}
