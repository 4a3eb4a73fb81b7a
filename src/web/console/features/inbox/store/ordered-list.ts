/** One list of conversations as the server orders it, and as it is shown while somebody points at it. */
import type { ConvId, Conversation } from '@shared/net'

export interface ListState {
  /** What the server said last, and rows that left while the order was held. */
  readonly rows: ReadonlyMap<ConvId, Conversation>
  /** The order on the screen. */
  readonly shown: readonly ConvId[]
  /** The order must not change now: the pointer or the keyboard is on the list. */
  readonly held: boolean
  /** Rows that left the list while it was held; they go when it is released. */
  readonly gone: ReadonlySet<ConvId>
}

export const emptyList: ListState = { rows: new Map(), shown: [], held: false, gone: new Set() }

const byPosition = (a: Conversation, b: Conversation): number => {
  const [x, y] = [a.pos ?? '', b.pos ?? '']
  return x < y ? -1 : x > y ? 1 : 0
}

/** The rows that really are in the list, whatever is on the screen. */
export const members = (list: ListState): Conversation[] => [...list.rows.values()].filter(({ conv }) => !list.gone.has(conv))

const trueOrder = (list: ListState): ConvId[] => members(list).sort(byPosition).map(({ conv }) => conv)

function arrange(list: ListState): ListState {
  // In an empty list nothing can jump.
  if (list.held && list.shown.length > 0) return list
  const rows = new Map([...list.rows].filter(([conv]) => !list.gone.has(conv)))
  const settled = { ...list, rows, gone: new Set<ConvId>() }
  return { ...settled, shown: trueOrder(settled) }
}

/** A complete answer: the first one, or one after a reconnect. A held list keeps its order and learns what left. */
export function applyRows(list: ListState, fresh: readonly Conversation[]): ListState {
  const present = new Set(fresh.map(({ conv }) => conv))
  const left = list.held ? list.shown.filter((conv) => !present.has(conv)) : []
  const rows = new Map(fresh.map((row) => [row.conv, row]))
  for (const conv of left) {
    const row = list.rows.get(conv)
    if (row) rows.set(conv, row)
  }
  return arrange({ ...list, rows, gone: new Set(left) })
}

export function applyDelta(list: ListState, upsert: readonly Conversation[], remove: readonly ConvId[]): ListState {
  const rows = new Map(list.rows)
  const gone = new Set(list.gone)
  for (const conv of remove) if (rows.has(conv)) gone.add(conv)
  for (const row of upsert) {
    rows.set(row.conv, row)
    gone.delete(row.conv)
  }
  return arrange({ ...list, rows, gone })
}

export const hold = (list: ListState): ListState => (list.held ? list : { ...list, held: true })
export const release = (list: ListState): ListState => arrange({ ...list, held: false })

/** How many rows came, left or moved since the order was held. */
export function pendingChanges(list: ListState): number {
  if (!list.held) return 0
  const order = trueOrder(list)
  const shown = new Set(list.shown)
  const came = order.filter((conv) => !shown.has(conv)).length
  const left = list.shown.filter((conv) => list.gone.has(conv)).length
  return came + left + movedRows(list.shown.filter((conv) => !list.gone.has(conv)), order.filter((conv) => shown.has(conv)))
}

/** The fewest rows that have to move to get from one order to the other: all but the longest run already in order. */
function movedRows(before: readonly ConvId[], after: readonly ConvId[]): number {
  const placeBefore = new Map(before.map((conv, index) => [conv, index]))
  const ends: number[] = []
  for (const conv of after) {
    const place = placeBefore.get(conv) ?? 0
    ends[firstNotBelow(ends, place)] = place
  }
  return after.length - ends.length
}

function firstNotBelow(ascending: readonly number[], value: number): number {
  let [low, high] = [0, ascending.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((ascending[middle] as number) < value) low = middle + 1
    else high = middle
  }
  return low
}
