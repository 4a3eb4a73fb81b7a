/** Changes that are shown before the server has agreed to them. */
import type { Conversation } from '@shared/net'

export interface Overlay {
  /** What the person wants it to be. */
  readonly patch: Partial<Pick<Conversation, 'status' | 'assignee' | 'waiting_since'>>
  /** The ownership number the wish was based on. */
  readonly claim: number
  /** Once agreed: the entry that carries the change. When it is here, the wish has become the truth. */
  readonly storedAs?: number
}

/** True while the wish still says more than the server does. Somebody else's change meanwhile wins. */
export function isOpen(overlay: Overlay, info: Conversation): boolean {
  if (info.claim !== overlay.claim) return false
  return overlay.storedAs === undefined || info.head < overlay.storedAs
}

export function withOverlay(info: Conversation, overlay: Overlay | undefined): Conversation {
  return overlay && isOpen(overlay, info) ? { ...info, ...overlay.patch } : info
}
