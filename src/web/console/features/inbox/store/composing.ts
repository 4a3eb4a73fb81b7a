import { isComposing, type KeyPress } from '../../../app/keys'

/** In code points, as the server counts. The counter appears from four fifths of it. */
export const composerLimit = { max: 4000, warnFrom: 3200 }

/** Enter sends; Shift+Enter breaks the line. Never a press that belongs to an input method, and never one that is only held down. */
export function sendsMessage(event: KeyPress & { repeat: boolean }): boolean {
  return event.key === 'Enter' && !event.shiftKey && !event.altKey && !event.repeat && !isComposing(event)
}
