import type { Conversation } from '@shared/net'
import { describe, expect, it } from 'vitest'
import { attentionCount, ringOf, unreadOf } from './unread'

const row = (conv: string, seq: number, over: Partial<Conversation> = {}): Conversation => ({
  conv, epoch: 'e', head: seq, status: 'active', claim: 1, assignee: null, unread: 2, last: { ts: 0, text: '', from: 'v', seq }, ...over,
})
const nothing = { readUpto: new Map<string, number>(), markedUnread: new Set<string>() }
const mapOf = (...rows: Conversation[]) => new Map(rows.map((each) => [each.conv, each]))

describe('unreadOf', () => {
  it('is the server\'s number until this window has shown the last entry', () => {
    expect(unreadOf(row('1', 5), nothing)).toBe(2)
    expect(unreadOf(row('1', 5), { ...nothing, readUpto: new Map([['1', 4]]) })).toBe(2)
    expect(unreadOf(row('1', 5), { ...nothing, readUpto: new Map([['1', 5]]) })).toBe(0)
  })
  it('is at least one where the person wants it so', () => {
    const own = { readUpto: new Map([['1', 5]]), markedUnread: new Set(['1']) }
    expect(unreadOf(row('1', 5), own)).toBe(1)
  })
})

describe('attentionCount', () => {
  it('adds the queue to own conversations with something new', () => {
    expect(attentionCount([row('1', 1)], [row('2', 1), row('3', 1, { unread: 0 })], nothing)).toBe(2)
  })
})

describe('ringOf', () => {
  it('rings for a person new in the queue, once', () => {
    expect(ringOf('waiting', mapOf(), [row('1', 1)], undefined)).toBe('waiting')
    expect(ringOf('waiting', mapOf(row('1', 1)), [row('1', 2)], undefined)).toBeUndefined()
  })
  it('rings for a visitor\'s message in an own conversation that is not before the eyes', () => {
    const before = mapOf(row('1', 1))
    expect(ringOf('mine', before, [row('1', 2)], undefined)).toBe('message')
    expect(ringOf('mine', before, [row('1', 2)], '1')).toBeUndefined()
    expect(ringOf('mine', before, [row('1', 1)], undefined)).toBeUndefined()
    const own = row('1', 2, { last: { ts: 0, text: '', from: 'a', seq: 2 } })
    expect(ringOf('mine', before, [own], undefined)).toBeUndefined()
  })
})
