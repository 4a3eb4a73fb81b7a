import type { Conversation } from '@shared/net'
import { describe, expect, it } from 'vitest'
import type { Hit } from '../api/search'
import { grouped, isSearchable, piecesOf } from './hits'

const hit = (conv: string, seq: number): Hit => ({ conv, seq, ts: 0, type: 'text', from: { k: 'v', id: '1' }, snippet: '', matches: [] })
const conversation = (conv: string): Conversation => ({ conv, epoch: 'e', head: 1, status: 'closed', claim: 0, assignee: null })

describe('what can be searched for', () => {
  it('needs two characters next to each other, in any script', () => {
    for (const query of ['退款', 'ab', 'a b cd', '3x', 'é1', '👍 ok']) expect(isSearchable(query), query).toBe(true)
    for (const query of ['', '退', 'a', 'a b', '?!', '👍👍', '退 款']) expect(isSearchable(query), query).toBe(false)
  })
})

describe('a snippet', () => {
  it('is cut by characters, not by UTF-16 units', () => {
    expect(piecesOf({ snippet: '🙂🙂 refund 退款!', matches: [[3, 9], [10, 12]] })).toEqual([
      { text: '🙂🙂 ', found: false }, { text: 'refund', found: true }, { text: ' ', found: false }, { text: '退款', found: true }, { text: '!', found: false },
    ])
  })
  it('is whole when nothing of it matches, and has no empty pieces', () => {
    expect(piecesOf({ snippet: 'abc', matches: [] })).toEqual([{ text: 'abc', found: false }])
    expect(piecesOf({ snippet: 'abc', matches: [[0, 3]] })).toEqual([{ text: 'abc', found: true }])
  })
})

describe('hits', () => {
  it('stand together per conversation, in the order in which they were found', () => {
    const known = new Map(['1', '2'].map((conv) => [conv, conversation(conv)]))
    const groups = grouped([hit('2', 9), hit('1', 4), hit('2', 3), hit('3', 1)], known)
    expect(groups.map(({ conversation: { conv }, hits }) => [conv, hits.map(({ seq }) => seq)])).toEqual([['2', [9, 3]], ['1', [4]]])
  })
})
