/** The conversations that are open or were lately: their threads, and what this person does with them. */
import { visitorName } from '../visitor-name'
import type { ConvId, Conversation, ConversationView, SendRequest, SendResult } from '@shared/net'
import { defineStore } from 'pinia'
import { shallowReactive, watch } from 'vue'
import { refusalText } from '../../../app/errors'
import { useLive } from '../../../app/live'
import { t as app } from '../../../app/locales'
import { useSession } from '../../../app/session'
import { showToast } from '../../../app/toasts'
import { t } from '../locales'
import { useLists } from './lists'
import { withOverlay, type Overlay } from './overlay'

/** So many conversations stay watched, so that going back to one shows it at once. */
const keptOpen = 12

export type ActionKind = 'claim' | 'take_over' | 'transfer' | 'close' | 'reopen'

export const useConversations = defineStore('inbox-conversations', () => {
  const live = useLive()
  const session = useSession()
  const lists = useLists()
  const threads = shallowReactive(new Map<ConvId, ConversationView>())
  const overlays = shallowReactive(new Map<ConvId, Overlay>())
  const busy = shallowReactive(new Map<ConvId, ActionKind>())
  /** In order of use, the latest last. */
  const watches = new Map<ConvId, () => void>()

  watch(() => live.client, (client, _before, onCleanup) => {
    threads.clear()
    overlays.clear()
    busy.clear()
    watches.clear()
    if (client) onCleanup(client.on('conversation', (conv) => {
      if (watches.has(conv)) read(conv)
    }))
  }, { immediate: true, flush: 'sync' })

  /** The client changes its own record in place; a copy lets the page see that it changed. */
  function read(conv: ConvId): void {
    const view = live.client?.conversation(conv)
    if (view) threads.set(conv, { ...view, info: view.info && { ...view.info } })
  }

  function open(conv: ConvId): void {
    const client = live.client
    if (!client) return
    const held = watches.get(conv)
    watches.delete(conv)
    watches.set(conv, held ?? client.watch(conv))
    read(conv)
    for (const [old, end] of watches) {
      if (watches.size <= keptOpen) break
      end()
      watches.delete(old)
      threads.delete(old)
    }
  }

  /** A row or a header as it is to be shown: with what this person has just done. */
  const shown = (info: Conversation): Conversation => withOverlay(info, overlays.get(info.conv))

  function infoOf(conv: ConvId): Conversation | undefined {
    const inThread = threads.get(conv)?.info
    const inList = lists.known(conv)
    // The thread knows the state first, a row also knows the visitor's name and the number.
    const info = inThread && inList ? { ...inList, ...inThread } : (inThread ?? inList)
    return info && shown(info)
  }

  async function act(conv: ConvId, kind: ActionKind, requestOf: (info: Conversation) => SendRequest, patch: Overlay['patch']): Promise<boolean> {
    const client = live.client
    const info = threads.get(conv)?.info ?? lists.known(conv)
    if (!client || !info || busy.has(conv)) return false
    const overlay: Overlay = { patch, claim: info.claim }
    overlays.set(conv, overlay)
    busy.set(conv, kind)
    const result = await client.act(conv, requestOf(info))
    busy.delete(conv)
    if (result.ok) {
      overlays.set(conv, { ...overlay, storedAs: result.seq })
      return true
    }
    overlays.delete(conv)
    explain(result.error, kind, nameOf(info), () => void act(conv, kind, requestOf, patch))
    return false
  }

  /** Nothing is silently undone: the notice says what, why and offers to try again where that can help. */
  function explain(error: Extract<SendResult, { ok: false }>['error'], kind: ActionKind, name: string, again: () => void): void {
    const lost = error.code === 'claimed'
    const reference = error.ref ? ` ${app('error.reference', { ref: error.ref })}` : ''
    const why = error.code === 'offline' ? t('action.offline') : refusalText(error)
    showToast({
      tone: 'error',
      text: t(`refused.${kind}`, { name }),
      detail: why + reference,
      action: lost ? undefined : { label: app('action.retry'), run: again },
    })
  }

  const nameOf = (info: Conversation): string => visitorName(info, t('visitor.unknown'))
  const me = () => {
    const agent = session.current?.agent
    return { id: agent?.id ?? '', name: agent?.display_name ?? '' }
  }

  const claim = (conv: ConvId) =>
    act(conv, 'claim', (info) => ({ type: 'claim', body: {}, if: { claim: info.claim } }), { status: 'active', assignee: me(), waiting_since: null })
  const takeOver = (conv: ConvId) =>
    act(conv, 'take_over', (info) => ({ type: 'assign', body: { to: me().id }, if: { claim: info.claim } }), { assignee: me() })
  const transfer = (conv: ConvId, to: { id: string; name: string } | null, note: string) =>
    act(
      conv, 'transfer',
      (info) => ({ type: 'transfer', body: { to: to?.id ?? null, ...(note ? { note } : {}) }, if: { claim: info.claim } }),
      to ? { assignee: to, status: 'active' } : { assignee: null, status: 'waiting' },
    )
  const close = (conv: ConvId, reason: string) =>
    act(conv, 'close', () => ({ type: 'close', body: reason ? { reason } : {} }), { status: 'closed', waiting_since: null })
  const reopen = (conv: ConvId) => act(conv, 'reopen', () => ({ type: 'reopen', body: {} }), { status: 'active', assignee: me() })

  return { threads, busy, open, shown, infoOf, nameOf, claim, takeOver, transfer, close, reopen }
})
