/** Narrowing a list, or searching in all messages. The filter stands in the address, so it can be shared and survives going back. */
import type { Conversation } from '@shared/net'
import type { LocationQuery } from 'vue-router'

/** `everywhere`: the query is searched for in the messages of all conversations, not in the rows of the list. */
export interface ListFilter { query: string; unread: boolean; everywhere: boolean }
export const noFilter: ListFilter = { query: '', unread: false, everywhere: false }

export const filterOf = (query: LocationQuery): ListFilter => ({
  query: typeof query.q === 'string' ? query.q : '',
  unread: query.unread === '1',
  everywhere: query.in === 'messages',
})

export const queryOf = (filter: ListFilter): Record<string, string> => ({
  ...(filter.query ? { q: filter.query } : {}),
  ...(filter.unread ? { unread: '1' } : {}),
  ...(filter.everywhere ? { in: 'messages' } : {}),
})

export function matchesFilter(row: Conversation, filter: ListFilter, unread: number): boolean {
  if (filter.unread && unread === 0) return false
  const words = filter.query.toLocaleLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return true
  const text = `${row.visitor?.name ?? ''} #${row.number ?? ''} ${row.last?.text ?? ''} ${row.assignee?.name ?? ''}`.toLocaleLowerCase()
  return words.every((word) => text.includes(word))
}
