/** Messages by their words, from the server's index. */
import type { Conversation, Sender } from '@shared/net'
import { request } from '../../../app/http'

export interface Hit {
  conv: string
  seq: number
  ts: number
  type: 'text' | 'note'
  audience?: 'internal'
  from: Sender
  snippet: string
  /** Characters (code points) of the snippet, from the first to before the second. */
  matches: [number, number][]
}
export interface HitPage { items: Hit[]; conversations: Conversation[]; next?: string; lag_s: number }

export function fetchHits(query: string, cursor: string | undefined): Promise<HitPage> {
  const parameters = new URLSearchParams({ q: query, ...(cursor ? { cursor } : {}) })
  return request('GET', `/search?${parameters}`)
}
