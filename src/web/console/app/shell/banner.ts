import type { ConnectionState } from '@shared/net'

export type Banner = 'reconnecting' | 'offline' | 'stopped' | undefined
const quietMs = 1000

/** Nothing for the first second. An ended session has a dialog of its own. */
export function bannerOf(state: ConnectionState | { phase: 'connecting' }, downMs: number): Banner {
  if (state.phase === 'live' || state.phase === 'idle') return undefined
  if (state.phase === 'stopped') return state.reason === 'auth' ? undefined : 'stopped'
  if (downMs < quietMs) return undefined
  return state.phase === 'waiting' && state.offline ? 'offline' : 'reconnecting'
}
