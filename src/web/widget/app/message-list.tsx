import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { Bubble } from './bubble'
import type { ChatState } from './chat-model'
import { useApp } from './context'
import { Icon } from './icons'
import { Notices } from './notices'
import { SystemLine } from './system-line'
import { rowsOf } from './timeline'
import { TypingDots } from './typing-dots'

/** A reader this close to the end wants to see what comes. */
const stickWithin = 80
const loadOlderWithin = 160

export function MessageList({ state, sends }: { state: ChatState; sends: number }) {
  const { chat, host, words: { t }, time } = useApp()
  const { view, open } = state
  const { items } = view
  const list = useRef<HTMLDivElement>(null)
  const stick = useRef(true)
  const before = useRef({ firstKey: '', height: 0 })
  const [below, setBelow] = useState(0)
  const [older, setOlder] = useState<'idle' | 'loading' | 'failed'>('idle')
  const [firstUnread, setFirstUnread] = useState<string>()

  const lastSeen = useRef(0)
  const others = items.filter(({ entry, own }) => entry && !own)
  const newestOther = others[others.length - 1]?.entry?.seq ?? 0

  // What was unread when the panel was opened stays marked until it is closed.
  useEffect(() => {
    if (!open) return setFirstUnread(undefined)
    if (view.unread > 0 && view.ownRead > 0) setFirstUnread(others.find(({ entry }) => (entry?.seq ?? 0) > view.ownRead)?.key)
  }, [open, view.loaded])

  const readIfSeen = () => {
    if (open && stick.current && document.hasFocus() && document.visibilityState === 'visible') chat.markRead()
  }
  const toEnd = () => {
    const element = list.current
    if (element) element.scrollTop = element.scrollHeight
    stick.current = true
    setBelow(0)
    readIfSeen()
  }

  useLayoutEffect(() => {
    const element = list.current
    if (!element) return
    const firstKey = items[0]?.key ?? ''
    const grewAbove = before.current.firstKey !== '' && before.current.firstKey !== firstKey && items.some(({ key }) => key === before.current.firstKey)
    if (stick.current) element.scrollTop = element.scrollHeight
    // What was loaded above pushes the rest down; moving along keeps every message where it was on the screen.
    else if (grewAbove) element.scrollTop += element.scrollHeight - before.current.height
    before.current = { firstKey, height: element.scrollHeight }
  }, [items, view.typing.length, open, state.connection.phase])

  useEffect(() => {
    if (stick.current) readIfSeen()
    else if (newestOther > lastSeen.current) setBelow(others.filter(({ entry }) => (entry?.seq ?? 0) > lastSeen.current).length)
    if (stick.current) lastSeen.current = newestOther
  }, [newestOther, open])

  useEffect(() => {
    const focus = () => readIfSeen()
    window.addEventListener('focus', focus)
    document.addEventListener('visibilitychange', focus)
    return () => {
      window.removeEventListener('focus', focus)
      document.removeEventListener('visibilitychange', focus)
    }
  }, [open])

  useEffect(() => {
    if (sends || open) toEnd()
  }, [sends, open])

  // Images and a growing composer change the height without a new message.
  useEffect(() => {
    const element = list.current
    if (!element || typeof ResizeObserver === 'undefined') return
    const observer = new ResizeObserver(() => {
      if (stick.current) element.scrollTop = element.scrollHeight
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [])

  const loadOlder = () => {
    if (older === 'loading' || !view.hasOlder) return
    setOlder('loading')
    chat.client.loadOlder(view.id).then(() => setOlder('idle'), () => setOlder('failed'))
  }
  const onScroll = () => {
    const element = list.current
    if (!element) return
    stick.current = element.scrollHeight - element.scrollTop - element.clientHeight <= stickWithin
    if (stick.current) {
      lastSeen.current = newestOther
      if (below) setBelow(0)
      readIfSeen()
    }
    if (element.scrollTop < loadOlderWithin && older === 'idle') loadOlder()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key]
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return
    const all = [...(list.current?.querySelectorAll<HTMLElement>('.message') ?? [])]
    const root = list.current?.getRootNode() as ShadowRoot | undefined
    const at = all.findIndex((element) => element.contains(root?.activeElement ?? null))
    const next = at === -1 ? all[all.length - 1] : all[at + step]
    event.preventDefault()
    next?.focus()
  }

  const now = chat.client.serverNow()
  return (
    <div class="list-frame">
      <div class="list" ref={list} role="log" aria-live="off" aria-label={t('messages')} tabIndex={0} onScroll={onScroll} onKeyDown={onKeyDown}>
        {older === 'failed' && <p class="older">{t('olderFailed')} <button type="button" class="link" onClick={() => { setOlder('idle'); loadOlder() }}>{t('tryAgain')}</button></p>}
        <div class="spacer" />
        {!view.hasOlder && <div class="welcome" dir="auto">{host.config.greeting || t('welcome')}</div>}
        {rowsOf(items, time, firstUnread).map((row) => {
          if (row.kind === 'day') return <p key={row.key} class="day"><span>{time.daySeparator(row.ts, now)}</span></p>
          if (row.kind === 'new') return <p key={row.key} class="day new"><span>{t('newSeparator')}</span></p>
          if (row.kind === 'system') return <SystemLine key={row.key} item={row.item} />
          return <Bubble key={row.key} row={row} />
        })}
        <TypingDots people={view.typing} />
        <Notices state={state} />
      </div>
      {older === 'loading' && <p class="loading-older" role="status">{t('loadingOlder')}</p>}
      {below > 0 && <button type="button" class="below" onClick={toEnd}>{t('newMessages', { count: below })}<Icon name="down" size={16} /></button>}
    </div>
  )
}
