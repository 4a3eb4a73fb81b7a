/** What the command palette finds beside actions. The inbox puts its conversations here. */
import { onBeforeUnmount, shallowReactive, toValue, type MaybeRefOrGetter } from 'vue'

export interface PaletteEntry { id: string; label: string; detail?: string; group: 'conversations'; run: () => void }

const sources = shallowReactive(new Set<MaybeRefOrGetter<PaletteEntry[]>>())
export const paletteEntries = (): PaletteEntry[] => [...sources].flatMap((source) => toValue(source))

export function usePaletteEntries(entries: MaybeRefOrGetter<PaletteEntry[]>): void {
  sources.add(entries)
  onBeforeUnmount(() => sources.delete(entries))
}

/** Every word of the query stands somewhere in the text. */
export function matches(query: string, text: string): boolean {
  const haystack = text.toLocaleLowerCase()
  return query.toLocaleLowerCase().split(/\s+/).every((word) => haystack.includes(word))
}
