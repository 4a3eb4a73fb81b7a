const schemes = /^(https?|mailto|tel):/i

/** The address if it may be a link, else undefined. Everything but http, https, mailto and tel stays text. */
export function safeHref(address: string): string | undefined {
  const trimmed = address.trim()
  if (!schemes.test(trimmed) || /[\s\u0000-\u001f\u007f]/.test(trimmed)) return undefined
  if (!/^https?:/i.test(trimmed)) return trimmed
  try {
    return new URL(trimmed).hostname ? trimmed : undefined
  } catch {
    return undefined
  }
}

export interface BareLink { start: number; end: number; href: string }

/*
 * A bare link ends at white space, at quotes and angle brackets, and at CJK punctuation or full-width forms: in Chinese text the
 * sentence goes on without a space. CJK letters are let in (paths and hosts may hold them).
 */
const bare = /(?:https?:\/\/|www\.|mailto:|tel:)[^\s<>"'`\u3000-\u303f\uff00-\uff65\u2018-\u201f\u2026]+/gi
const openers: Record<string, string> = { ')': '(', ']': '[', '}': '{' }

export function bareLinks(text: string): BareLink[] {
  const found: BareLink[] = []
  for (const match of text.matchAll(bare)) {
    const start = match.index
    // Inside a word such as "xwww.y" nothing begins.
    if (start > 0 && /[\w@/]/.test(text[start - 1] ?? '')) continue
    const shown = trimEnd(match[0])
    const href = safeHref(/^www\./i.test(shown) ? `https://${shown}` : shown)
    if (href && shown.length > (/^[a-z]+:(\/\/)?|^www\./i.exec(shown)?.[0].length ?? 0)) {
      found.push({ start, end: start + shown.length, href })
    }
  }
  return found
}

/** Punctuation at the end belongs to the sentence; a closing bracket too, unless it was opened inside the address. */
function trimEnd(address: string): string {
  let end = address.length
  for (; end > 0; end--) {
    const last = address[end - 1] ?? ''
    if (/[.,;:!?*_~]/.test(last)) continue
    const opener = openers[last]
    if (!opener) break
    const kept = address.slice(0, end)
    if (kept.split(opener).length >= kept.split(last).length) break
  }
  return address.slice(0, end)
}
