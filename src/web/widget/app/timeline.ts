import type { Item } from '@shared/net'
import type { DayFormat } from '@shared/time'

/** What stands in the message list, one below the other. */
export type Row =
  | { kind: 'day'; key: string; ts: number }
  | { kind: 'new'; key: string }
  | { kind: 'system'; key: string; item: Item }
  | { kind: 'message'; key: string; item: Item; first: boolean; last: boolean; newestOwn: boolean }

const groupWithin = 3 * 60_000
const messages = new Set(['text', 'note'])

/** Days, groups of one sender, and the mark above what has not been read. */
export function rowsOf(items: readonly Item[], time: DayFormat, firstUnread: string | undefined): Row[] {
  const rows: Row[] = []
  const newestOwn = [...items].reverse().find(({ own, type }) => own && messages.has(type))
  items.forEach((item, at) => {
    const [before, after] = [items[at - 1], items[at + 1]]
    if (!before || !time.sameDay(before.ts, item.ts)) rows.push({ kind: 'day', key: `day-${item.key}`, ts: item.ts })
    if (item.key === firstUnread) rows.push({ kind: 'new', key: 'new' })
    if (!messages.has(item.type)) return void rows.push({ kind: 'system', key: item.key, item })
    rows.push({
      kind: 'message', key: item.key, item, newestOwn: item === newestOwn,
      first: !before || !together(before, item, time) || item.key === firstUnread,
      last: !after || !together(item, after, time) || after.key === firstUnread,
    })
  })
  return rows
}

function together(a: Item, b: Item, time: DayFormat): boolean {
  return messages.has(a.type) && messages.has(b.type) && a.own === b.own && a.from.k === b.from.k && a.from.id === b.from.id
    && b.ts - a.ts < groupWithin && time.sameDay(a.ts, b.ts)
}
