/** What counts as unread on this screen. The server's number is right but late: reading here must show at once. */
import type { Conversation } from '@shared/net'

export interface OwnReading {
  /** Up to which entry this window has shown each conversation. */
  readonly readUpto: ReadonlyMap<string, number>
  /** Conversations that the person marked unread again. */
  readonly markedUnread: ReadonlySet<string>
}

export function unreadOf(row: Conversation, own: OwnReading): number {
  const read = own.readUpto.get(row.conv) ?? 0
  const counted = read >= (row.last?.seq ?? row.head) ? 0 : (row.unread ?? 0)
  return own.markedUnread.has(row.conv) ? Math.max(1, counted) : counted
}

/** Everything that wants this person: nobody's conversations, and messages in own ones. */
export function attentionCount(waiting: readonly Conversation[], mine: readonly Conversation[], own: OwnReading): number {
  return waiting.length + mine.filter((row) => unreadOf(row, own) > 0).length
}

export type Ring = 'waiting' | 'message'

/** Which sound a change of a list deserves, if any. `quietConv` is open before the person's eyes. */
export function ringOf(view: 'waiting' | 'mine', before: ReadonlyMap<string, Conversation>, upsert: readonly Conversation[], quietConv: string | undefined): Ring | undefined {
  if (view === 'waiting') return upsert.some(({ conv }) => !before.has(conv)) ? 'waiting' : undefined
  const spoken = upsert.some((row) => {
    const known = before.get(row.conv)
    const isNewer = (row.last?.seq ?? 0) > (known?.last?.seq ?? 0)
    return known !== undefined && row.last?.from === 'v' && isNewer && row.conv !== quietConv
  })
  return spoken ? 'message' : undefined
}
