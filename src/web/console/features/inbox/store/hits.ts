/** What a search found, made ready to be shown. */
import type { Conversation } from '@shared/net'
import type { Hit } from '../api/search'

/** The server's rule: one word of two characters. Shorter queries are not sent. */
export const isSearchable = (query: string): boolean => /[\p{L}\p{N}][\p{L}\p{N}\p{M}]/u.test(query)

export interface Piece { text: string; found: boolean }

/** A snippet cut at its matches, which count characters where JavaScript counts UTF-16 units. */
export function piecesOf({ snippet, matches }: Pick<Hit, 'snippet' | 'matches'>): Piece[] {
  const characters = [...snippet]
  const pieces: Piece[] = []
  let at = 0
  const add = (end: number, found: boolean): void => {
    if (end > at) pieces.push({ text: characters.slice(at, end).join(''), found })
    at = Math.max(at, end)
  }
  for (const [begin, end] of matches) {
    add(begin, false)
    add(end, true)
  }
  add(characters.length, false)
  return pieces
}

export interface HitGroup { conversation: Conversation; hits: Hit[] }

/** Hits per conversation: both in the order in which the server found them. What a later page finds joins its group. */
export function grouped(hits: readonly Hit[], conversations: ReadonlyMap<string, Conversation>): HitGroup[] {
  const groups = new Map<string, HitGroup>()
  for (const hit of hits) {
    const conversation = conversations.get(hit.conv)
    if (!conversation) continue
    const group = groups.get(hit.conv) ?? { conversation, hits: [] }
    groups.set(hit.conv, group)
    group.hits.push(hit)
  }
  return [...groups.values()]
}
