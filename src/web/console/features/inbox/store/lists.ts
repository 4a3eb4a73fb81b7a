/** The lists of the inbox, kept up to date by the server. Waiting and Mine are followed as long as the console is open, because
 *  they make the sounds and the counts; the others only while they are looked at. */
import type { ConvId, Conversation, Counts, ListView } from '@shared/net'
import { defineStore } from 'pinia'
import { computed, markRaw, ref, shallowReactive, shallowRef, watch } from 'vue'
import { attention } from '../../../app/attention'
import { useLive } from '../../../app/live'
import { isLeadingTab } from '../../../app/one-tab'
import { play } from '../../../app/sound'
import { applyDelta, applyRows, emptyList, hold, members, pendingChanges, release, type ListState } from './ordered-list'
import { attentionCount, ringOf, unreadOf } from './unread'

export const views: readonly ListView[] = ['waiting', 'mine', 'open', 'closed']
const pageSize = 100
const slowAfterMs = 10_000
const markedUnreadKey = 'parley.marked-unread'

interface Followed {
  list: ListState
  loaded: boolean
  /** No answer for ten seconds. */
  slow: boolean
  more: boolean
  limit: number
  followers: number
}

export const useLists = defineStore('inbox-lists', () => {
  const live = useLive()
  // Reactive one level deep only: a list of thousands of rows is replaced, never watched row by row.
  const followedView = (): Followed =>
    shallowReactive({ list: emptyList, loaded: false, slow: false, more: false, limit: pageSize, followers: 0 })
  const followed: Record<ListView, Followed> = markRaw({ waiting: followedView(), mine: followedView(), open: followedView(), closed: followedView() })
  const counts = shallowRef<Counts>()
  /** The conversation that is open before the person's eyes, if the window has the focus. */
  const quietConv = ref<ConvId>()
  const readUpto = shallowReactive(new Map<ConvId, number>())
  const markedUnread = shallowReactive(new Set<ConvId>(readMarked()))
  const stops = new Map<ListView, () => void>()

  const own = { readUpto, markedUnread }
  const rowsOf = (view: ListView): Conversation[] => followed[view].list.shown.flatMap((conv) => followed[view].list.rows.get(conv) ?? [])
  const unreadIn = (row: Conversation): number => unreadOf(row, own)
  /** The newest any list knows about a conversation. */
  const known = (conv: ConvId): Conversation | undefined => {
    let newest: Conversation | undefined
    for (const view of views) {
      const row = followed[view].list.rows.get(conv)
      if (row && (!newest || row.head > newest.head || (row.head === newest.head && row.claim >= newest.claim))) newest = row
    }
    return newest
  }

  function begin(view: ListView): void {
    const client = live.client
    const entry = followed[view]
    if (!client) return
    stops.get(view)?.()
    const slowTimer = setTimeout(() => (entry.slow = !entry.loaded), slowAfterMs)
    const stop = client.watchList({
      view,
      limit: entry.limit,
      onRows: (rows, fresh, more) => {
        entry.list = applyRows(entry.list, rows)
        Object.assign(entry, { loaded: true, slow: false, more })
        if (fresh) counts.value = fresh
      },
      onDelta: (upsert, remove, fresh, changed) => {
        if (entry.loaded && (view === 'waiting' || view === 'mine')) ring(view, upsert)
        entry.list = applyDelta(entry.list, upsert, remove)
        if (fresh) counts.value = fresh
        if (changed) askAgain(view)
      },
    })
    stops.set(view, () => {
      clearTimeout(slowTimer)
      stop()
    })
  }

  function ring(view: 'waiting' | 'mine', upsert: readonly Conversation[]): void {
    const sound = ringOf(view, followed[view].list.rows, upsert, quietConv.value)
    if (sound && isLeadingTab()) play(sound)
  }

  /** The closed list only says that it changed; asking again at most every two seconds is enough for it. */
  let askTimer: ReturnType<typeof setTimeout> | undefined
  function askAgain(view: ListView): void {
    askTimer ??= setTimeout(() => {
      askTimer = undefined
      if (followed[view].followers > 0) begin(view)
    }, 2000)
  }

  /** Follows a list until the returned function is called. */
  function follow(view: ListView): () => void {
    if (followed[view].followers++ === 0) begin(view)
    let ended = false
    return () => {
      if (ended) return
      ended = true
      if (--followed[view].followers > 0) return
      stops.get(view)?.()
      stops.delete(view)
      Object.assign(followed[view], { list: emptyList, loaded: false, slow: false, more: false, limit: pageSize })
    }
  }

  function loadMore(view: ListView): void {
    const entry = followed[view]
    if (!entry.more) return
    entry.more = false
    // Doubling, because the server sends the list anew from its beginning.
    entry.limit *= 2
    begin(view)
  }

  // A new client (another organisation, or signed in again) knows nothing of the old one's lists.
  watch(() => live.client, (client) => {
    for (const view of views) {
      const entry = followed[view]
      stops.get(view)?.()
      stops.delete(view)
      Object.assign(entry, { list: emptyList, loaded: false, slow: false, more: false })
      if (client && entry.followers > 0) begin(view)
    }
    counts.value = undefined
    readUpto.clear()
  })

  function markRead(conv: ConvId, seq: number): void {
    if (markedUnread.has(conv)) return
    if ((readUpto.get(conv) ?? 0) < seq) readUpto.set(conv, seq)
    live.client?.markRead(conv, seq)
  }

  function setMarkedUnread(conv: ConvId, on: boolean): void {
    if (on) markedUnread.add(conv)
    else markedUnread.delete(conv)
    localStorage.setItem(markedUnreadKey, JSON.stringify([...markedUnread]))
  }

  watch(() => attentionCount(members(followed.waiting.list), members(followed.mine.list), own), (count) => (attention.value = count), { immediate: true })

  const setHeld = (view: ListView, held: boolean): void => {
    followed[view].list = held ? hold(followed[view].list) : release(followed[view].list)
  }
  const pending = (view: ListView): number => pendingChanges(followed[view].list)
  const applyPending = (view: ListView): void => {
    followed[view].list = hold(release(followed[view].list))
  }
  const isGone = (view: ListView, conv: ConvId): boolean => followed[view].list.gone.has(conv)
  const countOf = computed(() => (view: ListView): number | undefined => (view === 'closed' ? undefined : counts.value?.[view]))

  return {
    followed, counts, countOf, quietConv, markedUnread, rowsOf, unreadIn, known, follow, retry: begin, loadMore, markRead, setMarkedUnread,
    setHeld, pending, applyPending, isGone,
  }
})

function readMarked(): string[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(markedUnreadKey) ?? '[]')
    return Array.isArray(stored) ? stored.filter((each) => typeof each === 'string') : []
  } catch {
    return []
  }
}
