import type { StopReason } from './api'

/** What a close code asks the client to do. */
export type CloseAdvice =
  | { do: 'retry' }
  | { do: 'drop-resume' }
  | { do: 'fresh-token' }
  | { do: 'stop'; reason: StopReason }

const stops: Record<number, StopReason> = {
  1009: 'protocol',
  4500: 'protocol',
  4501: 'auth',
  4502: 'banned',
  4503: 'tenant_disabled',
  4504: 'origin',
  4505: 'superseded',
}

/** Everything that is not known to be final is worth another try: networks and proxies invent codes. */
export function adviceFor(code: number): CloseAdvice {
  const reason = stops[code]
  if (reason) return { do: 'stop', reason }
  if (code === 4100) return { do: 'drop-resume' }
  if (code === 4101) return { do: 'fresh-token' }
  return { do: 'retry' }
}
