import type { Item } from '@shared/net'
import { describe, expect, it } from 'vitest'
import { newestOwn, threadRows } from './thread-rows'

const day = 86_400_000
const sameDay = (a: number, b: number) => Math.floor(a / day) === Math.floor(b / day)
const item = (seq: number, ts: number, over: Partial<Item> = {}): Item => ({
  key: `1:${seq}`, type: 'text', body: { text: `m${seq}` }, ts, from: { k: 'v', id: '9' }, own: false, state: 'sent', edited: false, recalled: false,
  entry: { conv: '1', seq, id: `${seq}`, ts, type: 'text', from: { k: 'v', id: '9' }, rev: seq }, ...over,
})
const kinds = (...rows: ReturnType<typeof threadRows>) => rows.map(({ kind }) => kind)

describe('threadRows', () => {
  it('groups what one person says within five minutes', () => {
    const rows = threadRows([item(1, 0), item(2, 1000), item(3, 600_000)], undefined, sameDay)
    expect(rows.filter((row) => row.kind === 'message').map(({ opensGroup, closesGroup }) => [opensGroup, closesGroup]))
      .toEqual([[true, false], [false, true], [true, true]])
  })
  it('never groups a note with a reply of the same person', () => {
    const own = { own: true, from: { k: 'a' as const, id: '7' } }
    const rows = threadRows([item(1, 0, own), item(2, 1, { ...own, type: 'note' })], undefined, sameDay)
    expect(rows.filter((row) => row.kind === 'message').every(({ opensGroup }) => opensGroup)).toBe(true)
  })
  it('begins every day with a line', () => {
    expect(kinds(...threadRows([item(1, 0), item(2, day)], undefined, sameDay))).toEqual(['day', 'message', 'day', 'message'])
  })
  it('marks the first message of somebody else that was new', () => {
    const own = item(2, 1, { own: true, from: { k: 'a', id: '7' } })
    expect(kinds(...threadRows([item(1, 0), own, item(3, 2), item(4, 3)], 1, sameDay))).toEqual(['day', 'message', 'message', 'new', 'message', 'message'])
  })
  it('shows events as lines that end a group', () => {
    const rows = threadRows([item(1, 0), item(2, 1, { type: 'claim' }), item(3, 2)], undefined, sameDay)
    expect(kinds(...rows)).toEqual(['day', 'message', 'event', 'message'])
    expect(rows.at(-1)).toMatchObject({ opensGroup: true })
  })
})

describe('newestOwn', () => {
  it('passes over notes, withdrawn messages and other people', () => {
    const own = { own: true }
    expect(newestOwn([item(1, 0, own), item(2, 1, { ...own, recalled: true }), item(3, 2, { ...own, type: 'note' }), item(4, 3)])).toBe('1:1')
  })
})
