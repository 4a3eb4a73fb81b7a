import { describe, expect, it } from 'vitest'
import { createDrafts, type TextStorage } from './drafts'

function memory(): TextStorage {
  const held = new Map<string, string>()
  return {
    get length() { return held.size },
    key: (index) => [...held.keys()][index] ?? null,
    getItem: (key) => held.get(key) ?? null,
    setItem: (key, value) => void held.set(key, value),
    removeItem: (key) => void held.delete(key),
  }
}

describe('drafts', () => {
  it('are kept apart by conversation, mode and person', () => {
    const storage = memory()
    const drafts = createDrafts(storage, '7', () => 0)
    drafts.set('1', 'reply', 'to the visitor')
    drafts.set('1', 'note', 'among us')
    expect(drafts.get('1', 'reply')).toBe('to the visitor')
    expect(drafts.get('1', 'note')).toBe('among us')
    expect(drafts.get('2', 'reply')).toBe('')
    expect(createDrafts(storage, '8', () => 0).get('1', 'note')).toBe('')
  })
  it('survive a reload and end when they are emptied', () => {
    const storage = memory()
    createDrafts(storage, '7', () => 0).set('1', 'reply', 'half a sent')
    const later = createDrafts(storage, '7', () => 1000)
    expect(later.get('1', 'reply')).toBe('half a sent')
    later.set('1', 'reply', ' ')
    expect(storage.length).toBe(0)
  })
  it('drop what is old or unreadable', () => {
    const storage = memory()
    createDrafts(storage, '7', () => 0).set('1', 'reply', 'old')
    storage.setItem('parley.draft.7.2.reply', '{')
    const drafts = createDrafts(storage, '7', () => 31 * 24 * 3600_000)
    expect(drafts.get('1', 'reply')).toBe('')
    expect(storage.length).toBe(0)
  })
})
