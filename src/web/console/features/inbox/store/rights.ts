/** What this person may do with a conversation. The server decides; this only keeps the page from offering what it would refuse. */
import type { Conversation } from '@shared/net'

export interface Rights {
  reply: boolean
  note: boolean
  /** Take it from the queue. */
  claim: boolean
  /** Take it from a colleague. */
  takeOver: boolean
  transfer: boolean
  close: boolean
  reopen: boolean
}

export function rightsOf(info: Conversation, me: string, isSupervisor: boolean): Rights {
  const open = info.status === 'waiting' || info.status === 'active'
  const mine = info.assignee?.id === me
  return {
    reply: info.status === 'active' && mine,
    note: info.status !== 'new',
    claim: info.status === 'waiting',
    takeOver: info.status === 'active' && !mine && isSupervisor,
    transfer: open && (mine || isSupervisor),
    close: open,
    reopen: info.status === 'closed',
  }
}
