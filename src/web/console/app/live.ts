/** The live connection of this console: who is there, how the connection is, and the client through which everything is sent. */
import { browserDatabases, browserEnvironment, NetClient, SiteDatabase } from '@shared/net'
import type { AgentPresence, AgentStatus, ConnectionState, NetClientApi } from '@shared/net'
import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'
import { followServerClock } from './clock'
import { refusalText } from './errors'
import { t } from './locales'
import { useSession } from './session'
import { showToast } from './toasts'

export type OwnStatus = Exclude<AgentStatus, 'offline'>
export const ownStatuses: readonly OwnStatus[] = ['online', 'busy', 'away']

const socketUrl = (): string => `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`

export const useLive = defineStore('live', () => {
  const session = useSession()
  const client = shallowRef<NetClientApi>()
  const connection = shallowRef<ConnectionState>({ phase: 'idle' })
  const agents = shallowRef<ReadonlyMap<string, AgentPresence>>(new Map())
  const wantedStatus = ref<OwnStatus>()
  const isLive = computed(() => connection.value.phase === 'live')

  const me = computed(() => session.current?.agent)
  const ownStatus = computed<AgentStatus>(() => wantedStatus.value ?? agents.value.get(me.value?.id ?? '')?.status ?? 'offline')

  function start(): void {
    const own = me.value
    if (client.value || !own) return
    // Each agent has an own outbox, so that a shared computer never sends one person's words as another's.
    const store = new SiteDatabase(`parley-console-${own.id}`, browserDatabases())
    const made: NetClientApi = new NetClient({ url: socketUrl(), role: 'agent', env: browserEnvironment(store) })
    client.value = made
    made.on('connection', (state) => {
      connection.value = { ...state }
      if (state.phase === 'stopped' && state.reason === 'auth') session.expired = true
    })
    made.on('ready', () => {
      followServerClock(() => made.serverNow())
      readAgents(made)
      if (wantedStatus.value) void made.setStatus(wantedStatus.value)
    })
    made.on('presence', () => readAgents(made))
    made.on('error', (error) => showToast({ tone: 'error', text: t('error.title'), detail: refusalText(error) }))
    made.start()
  }

  function readAgents(from: NetClientApi): void {
    agents.value = new Map((from.ready?.agents ?? []).map((agent) => [agent.id, agent]))
    // The server repeats the wish; from then on what it says counts, a change made in another tab included.
    if (agents.value.get(me.value?.id ?? '')?.status === wantedStatus.value) wantedStatus.value = undefined
  }

  function stop(): void {
    client.value?.stop()
    client.value = undefined
    connection.value = { phase: 'idle' }
    agents.value = new Map()
    wantedStatus.value = undefined
  }

  async function setStatus(value: OwnStatus): Promise<void> {
    const before = wantedStatus.value
    wantedStatus.value = value
    try {
      await client.value?.setStatus(value)
    } catch {
      wantedStatus.value = before
      showToast({ tone: 'error', text: t('me.status_failed'), detail: t('connection.offline'), action: { label: t('action.retry'), run: () => void setStatus(value) } })
    }
  }

  // Signed in again over the page: the connection that was refused is wanted anew.
  watch(() => session.expired, (expired) => {
    if (!expired) reconnect()
  })

  const reconnect = (): void => client.value?.reconnect()

  return { client, connection, isLive, agents, me, ownStatus, start, stop, setStatus, reconnect }
})
