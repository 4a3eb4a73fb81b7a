/** Narrowing a list. The filter stands in the address, so it can be shared and survives going back. */
import type { Conversation } from '@shared/net'
import type { LocationQuery } from 'vue-router'

export interface ListFilter { query: string; unread: boolean }

export const filterOf = (query: LocationQuery): ListFilter => ({
  query: typeof query.q === 'string' ? query.q : '',
  unread: query.unread === '1',
})

export const queryOf = (filter: ListFilter): Record<string, string> => ({
  ...(filter.query ? { q: filter.query } : {}),
  ...(filter.unread ? { unread: '1' } : {}),
})

export function matchesFilter(row: Conversation, filter: ListFilter, unread: number): boolean {
  if (filter.unread && unread === 0) return false
  const words = filter.query.toLocaleLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return true
  const text = `${row.visitor?.name ?? ''} #${row.number ?? ''} ${row.last?.text ?? ''} ${row.assignee?.name ?? ''}`.toLocaleLowerCase()
  return words.every((word) => text.includes(word))
}
