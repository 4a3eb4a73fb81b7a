/** What stands in a thread, line by line: messages in groups, days, quiet lines about what happened, and the mark of what is new. */
import type { Item } from '@shared/net'

export type ThreadRow =
  | { kind: 'day'; key: string; ts: number }
  | { kind: 'new'; key: string }
  | { kind: 'event'; key: string; item: Item }
  | { kind: 'message'; key: string; item: Item; opensGroup: boolean; closesGroup: boolean }

const groupMs = 5 * 60_000
const isMessage = (item: Item): boolean => item.type === 'text' || item.type === 'note'

/** Spoken by the same person, in the same way, shortly after one another. */
function sameGroup(a: Item, b: Item): boolean {
  return a.type === b.type && a.from.k === b.from.k && a.from.id === b.from.id && b.ts - a.ts < groupMs
}

/** `newAfter`: the seq after which everything was new when the conversation was opened; undefined when nothing was. */
export function threadRows(items: readonly Item[], newAfter: number | undefined, sameDay: (a: number, b: number) => boolean): ThreadRow[] {
  const rows: ThreadRow[] = []
  let before: Item | undefined
  let marked = newAfter === undefined
  for (const item of items) {
    if (!before || !sameDay(before.ts, item.ts)) {
      rows.push({ kind: 'day', key: `day-${item.key}`, ts: item.ts })
      before = undefined
    }
    if (!marked && item.entry && item.entry.seq > (newAfter ?? 0) && !item.own && isMessage(item)) {
      rows.push({ kind: 'new', key: 'new' })
      marked = true
      before = undefined
    }
    if (isMessage(item)) {
      const joins = before !== undefined && isMessage(before) && sameGroup(before, item)
      const previous = rows.at(-1)
      if (joins && previous?.kind === 'message') previous.closesGroup = false
      rows.push({ kind: 'message', key: item.key, item, opensGroup: !joins, closesGroup: true })
    } else {
      rows.push({ kind: 'event', key: item.key, item })
    }
    before = item
  }
  return rows
}

/** The newest own message tells its state in words; so does every one that failed. */
export function newestOwn(items: readonly Item[]): string | undefined {
  for (let index = items.length - 1; index >= 0; index--) {
    const item = items[index]
    if (item?.own && item.type === 'text' && !item.recalled) return item.key
  }
  return undefined
}
