/** Who is signed in. */
import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { ApiError, request, whenSessionLost } from './http'
import { adoptLanguageOfAccount } from './preferences'

export type AgentRole = 'owner' | 'admin' | 'supervisor' | 'agent'
const rank: Record<AgentRole, number> = { agent: 0, supervisor: 1, admin: 2, owner: 3 }

export interface Session {
  account: { id: string; email: string; locale: string | null; time_zone: string }
  agent: { id: string; display_name: string; role: AgentRole }
  tenant: { id: string; name: string; slug: string }
  tenants: { id: string; name: string; slug: string; role: AgentRole }[]
}

export interface SetupForm {
  code: string
  email: string
  password: string
  display_name: string
  organisation: string
  locale: string
  time_zone: string
}

export const useSession = defineStore('session', () => {
  const current = shallowRef<Session>()
  /** The session ended while the page was in use: a dialog asks for the password over the page. */
  const expired = ref(false)
  const signedIn = computed(() => current.value !== undefined)

  whenSessionLost(() => {
    if (current.value) expired.value = true
  })

  const accept = (session: Session) => {
    current.value = session
    adoptLanguageOfAccount(session.account.locale)
    expired.value = false
  }

  /** Finds out whether the browser holds a living session. */
  async function load(): Promise<boolean> {
    if (current.value) return true
    try {
      accept(await request<Session>('GET', '/session'))
      return true
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return false
      throw error
    }
  }

  const setupNeeded = async () => (await request<{ needed: boolean }>('GET', '/setup')).needed
  const setUp = async (form: SetupForm) => accept(await request<Session>('POST', '/setup', form))
  const signIn = async (email: string, password: string, remember: boolean) =>
    accept(await request<Session>('POST', '/session', { email, password, remember }))

  async function signOut(): Promise<void> {
    await request('DELETE', '/session')
    current.value = undefined
  }

  const switchTenant = async (tenant: string) => accept(await request<Session>('PUT', '/session/tenant', { tenant }))

  /** True if the own role is `least` or stands above it. */
  const may = (least: AgentRole): boolean => current.value !== undefined && rank[current.value.agent.role] >= rank[least]

  return { current, expired, signedIn, load, setupNeeded, setUp, signIn, signOut, switchTenant, may }
})
