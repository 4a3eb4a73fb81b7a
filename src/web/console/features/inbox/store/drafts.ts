/** What was typed and not sent, per conversation and per mode, kept over a reload. */
import { shallowReactive } from 'vue'

export type Mode = 'reply' | 'note'
export type TextStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>

/** Drafts of conversations nobody returns to are dropped after this long. */
const keptMs = 30 * 24 * 3600_000

export function createDrafts(storage: TextStorage, agent: string, now: () => number) {
  const prefix = `parley.draft.${agent}.`
  const keyOf = (conv: string, mode: Mode): string => `${prefix}${conv}.${mode}`
  const texts = shallowReactive(new Map<string, string>())
  restore()

  function restore(): void {
    for (const key of Array.from({ length: storage.length }, (_, index) => storage.key(index) ?? '')) {
      if (!key.startsWith(prefix)) continue
      try {
        const { text, at } = JSON.parse(storage.getItem(key) ?? '') as { text: string; at: number }
        if (now() - at < keptMs) texts.set(key, text)
        else storage.removeItem(key)
      } catch {
        storage.removeItem(key)
      }
    }
  }

  const get = (conv: string, mode: Mode): string => texts.get(keyOf(conv, mode)) ?? ''

  function set(conv: string, mode: Mode, text: string): void {
    const key = keyOf(conv, mode)
    if (text.trim() === '') {
      texts.delete(key)
      storage.removeItem(key)
      return
    }
    texts.set(key, text)
    try {
      storage.setItem(key, JSON.stringify({ text, at: now() }))
    } catch {
      // The storage is full: the draft lives on in this tab.
    }
  }

  return { get, set }
}
export type Drafts = ReturnType<typeof createDrafts>
