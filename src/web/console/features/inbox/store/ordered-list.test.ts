import type { Conversation } from '@shared/net'
import { describe, expect, it } from 'vitest'
import { applyDelta, applyRows, emptyList, hold, pendingChanges, release } from './ordered-list'

const row = (conv: string, pos: string, over: Partial<Conversation> = {}): Conversation => ({
  conv, pos, epoch: 'e', head: 1, status: 'waiting', claim: 0, assignee: null, ...over,
})
const three = applyRows(emptyList, [row('2', 'b'), row('1', 'a'), row('3', 'c')])

describe('an open list', () => {
  it('sorts rows by their position as strings', () => {
    expect(three.shown).toEqual(['1', '2', '3'])
    expect(applyRows(emptyList, [row('x', '10'), row('y', '9')]).shown).toEqual(['x', 'y'])
  })
  it('takes new, changed and removed rows at once', () => {
    const next = applyDelta(three, [row('4', 'aa'), row('1', 'z')], ['3'])
    expect(next.shown).toEqual(['4', '2', '1'])
    expect(next.rows.has('3')).toBe(false)
  })
  it('counts nothing as pending', () => {
    expect(pendingChanges(applyDelta(three, [row('4', 'd')], []))).toBe(0)
  })
})

describe('a held list', () => {
  it('takes its first rows at once, because nothing can jump', () => {
    expect(applyRows(hold(emptyList), [row('1', 'a')]).shown).toEqual(['1'])
  })
  it('keeps its order and shows new content in place', () => {
    const next = applyDelta(hold(three), [row('3', '0', { unread: 2 })], [])
    expect(next.shown).toEqual(['1', '2', '3'])
    expect(next.rows.get('3')?.unread).toBe(2)
    expect(pendingChanges(next)).toBe(1)
  })
  it('counts what came, left and moved, and not what merely shifted', () => {
    expect(pendingChanges(applyDelta(hold(three), [row('4', '0')], ['2']))).toBe(2)
  })
  it('keeps a row that left until it is released', () => {
    const held = applyDelta(hold(three), [], ['2'])
    expect(held.rows.has('2')).toBe(true)
    const next = release(held)
    expect(next.shown).toEqual(['1', '3'])
    expect(next.rows.has('2')).toBe(false)
  })
  it('forgets a removal when the row comes back', () => {
    const next = applyDelta(applyDelta(hold(three), [], ['2']), [row('2', 'b')], [])
    expect(pendingChanges(next)).toBe(0)
    expect(release(next).shown).toEqual(['1', '2', '3'])
  })
  it('learns from a full answer after a reconnect what left meanwhile', () => {
    const next = applyRows(hold(three), [row('1', 'a'), row('5', 'b')])
    expect(next.shown).toEqual(['1', '2', '3'])
    expect(pendingChanges(next)).toBe(3)
    expect(release(next).shown).toEqual(['1', '5'])
  })
})
