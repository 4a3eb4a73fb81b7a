// @vitest-environment happy-dom
import type { Conversation, ConversationView, NetClientApi, SendRequest, SendResult } from '@shared/net'
import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it } from 'vitest'
import { useLive } from '../../../app/live'
import { useSession } from '../../../app/session'
import { toasts } from '../../../app/toasts'
import { useConversations } from './conversations'

const waiting: Conversation = {
  conv: '1', epoch: 'e', head: 3, status: 'waiting', claim: 4, assignee: null, waiting_since: 1, visitor: { id: '9', name: 'Anna' },
}

/** A client that keeps one conversation and answers actions when the test says so. */
function fakeClient() {
  const state = { info: { ...waiting }, sent: [] as SendRequest[], watched: 0 }
  let answer: (result: SendResult) => void = () => undefined
  let changed: (conv: string) => void = () => undefined
  const client = {
    on: (event: string, fn: (conv: string) => void) => {
      if (event === 'conversation') changed = fn
      return () => undefined
    },
    watch: () => {
      state.watched++
      return () => state.watched--
    },
    conversation: (id: string) => ({ id, info: state.info, items: [], typing: [], loaded: true, caughtUp: true }) as unknown as ConversationView,
    act: (_conv: string, request: SendRequest) => {
      state.sent.push(request)
      return new Promise<SendResult>((resolve) => (answer = resolve))
    },
  } as unknown as NetClientApi
  return { client, state, reply: (result: SendResult) => answer(result), change: (over: Partial<Conversation>) => { Object.assign(state.info, over); changed('1') } }
}

let fake: ReturnType<typeof fakeClient>
beforeEach(() => {
  setActivePinia(createPinia())
  toasts.value = []
  fake = fakeClient()
  useSession().current = {
    account: { id: '1', email: '', locale: 'en', time_zone: 'UTC' }, agent: { id: '7', display_name: 'Li Na', role: 'agent' },
    tenant: { id: '5', name: '', slug: '' }, tenants: [],
  }
  useLive().client = fake.client
})

describe('taking a conversation', () => {
  it('shows at once, names the ownership number, and becomes the truth with its entry', async () => {
    const store = useConversations()
    store.open('1')
    const done = store.claim('1')
    expect(fake.state.sent).toEqual([{ type: 'claim', body: {}, if: { claim: 4 } }])
    expect(store.infoOf('1')).toMatchObject({ status: 'active', assignee: { id: '7' } })
    expect(store.busy.get('1')).toBe('claim')
    fake.reply({ ok: true, seq: 4 })
    expect(await done).toBe(true)
    expect(store.infoOf('1')?.status).toBe('active')
    fake.change({ head: 4, claim: 5, status: 'active', assignee: { id: '7', name: 'Li Na' } })
    expect(store.infoOf('1')).toMatchObject({ claim: 5, assignee: { id: '7' } })
  })

  it('rolls back when a colleague was faster, and says who', async () => {
    const store = useConversations()
    store.open('1')
    const done = store.claim('1')
    fake.change({ head: 4, claim: 5, status: 'active', assignee: { id: '8', name: 'Wang Wei' } })
    expect(store.infoOf('1')?.assignee?.id).toBe('8')
    fake.reply({ ok: false, error: { code: 'claimed', message: '', by: { id: '8', name: 'Wang Wei' } } })
    expect(await done).toBe(false)
    expect(toasts.value[0]).toMatchObject({ tone: 'error', text: 'Anna was not assigned to you', detail: 'Wang Wei has this conversation.' })
    expect(toasts.value[0]?.action).toBeUndefined()
  })
})

describe('a refused close', () => {
  it('rolls back with the reason, and Retry sends it again', async () => {
    const store = useConversations()
    store.open('1')
    const done = store.close('1', 'solved')
    expect(store.infoOf('1')?.status).toBe('closed')
    fake.reply({ ok: false, error: { code: 'busy', message: '', ref: 'ab12' } })
    expect(await done).toBe(false)
    expect(store.infoOf('1')?.status).toBe('waiting')
    expect(toasts.value[0]?.detail).toContain('ab12')
    toasts.value[0]?.action?.run()
    expect(fake.state.sent).toHaveLength(2)
  })

  it('is sent once, however often it is asked for', () => {
    const store = useConversations()
    store.open('1')
    void store.close('1', '')
    void store.close('1', '')
    expect(fake.state.sent).toHaveLength(1)
  })
})

it('keeps the latest conversations watched and lets the others go', () => {
  const store = useConversations()
  for (let conv = 1; conv <= 20; conv++) store.open(String(conv))
  expect(fake.state.watched).toBe(12)
  expect(store.threads.has('20')).toBe(true)
  expect(store.threads.has('1')).toBe(false)
})
