import type { Conversation } from '@shared/net'
import { describe, expect, it } from 'vitest'
import { filterOf, matchesFilter, noFilter, queryOf } from './filter'

const row: Conversation = {
  conv: '1', epoch: 'e', head: 1, status: 'active', claim: 1, number: 17, visitor: { id: '9', name: '王小明' },
  assignee: { id: '7', name: 'Li Na' }, last: { ts: 0, text: 'Where is my Order?', from: 'v', seq: 1 },
}

describe('the filter of a list', () => {
  it('finds every word in name, number, text or assignee', () => {
    for (const query of ['小明', '#17', 'order where', 'li']) expect(matchesFilter(row, { ...noFilter, query }, 0)).toBe(true)
    expect(matchesFilter(row, { ...noFilter, query: 'order refund' }, 0)).toBe(false)
  })
  it('keeps only unread ones when asked', () => {
    expect(matchesFilter(row, { ...noFilter, unread: true }, 0)).toBe(false)
    expect(matchesFilter(row, { ...noFilter, unread: true }, 1)).toBe(true)
  })
  it('goes through the address unchanged', () => {
    const filter = { query: '订单', unread: true, everywhere: true }
    expect(filterOf(queryOf(filter))).toEqual(filter)
    expect(queryOf(noFilter)).toEqual({})
  })
})
