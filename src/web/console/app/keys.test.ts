import { describe, expect, it } from 'vitest'
import { KeySequence, nameOf, type KeyPress } from './keys'

const press = (over: Partial<KeyPress>): KeyPress => ({
  key: '', code: '', keyCode: 0, isComposing: false, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...over,
})

describe('nameOf', () => {
  it('names letters by what a Latin layout types', () => {
    expect(nameOf(press({ key: 'j', code: 'KeyC' }))).toBe('j')
    expect(nameOf(press({ key: 'E', code: 'KeyE', shiftKey: true }))).toBe('shift+e')
    expect(nameOf(press({ key: 'k', ctrlKey: true }))).toBe('mod+k')
    expect(nameOf(press({ key: 'k', metaKey: true }))).toBe('mod+k')
  })
  it('does not ask for Shift where a sign needs it anyway', () => {
    expect(nameOf(press({ key: '?', code: 'Slash', shiftKey: true }))).toBe('?')
  })
  it('goes by the place of the key where the layout is not Latin', () => {
    expect(nameOf(press({ key: 'о', code: 'KeyJ' }))).toBe('j')
    expect(nameOf(press({ key: 'ㅓ', code: 'KeyJ' }))).toBe('j')
  })
  it('leaves presses to input methods and to letters typed with Alt', () => {
    expect(nameOf(press({ key: 'Process', code: 'KeyJ', keyCode: 229 }))).toBe('')
    expect(nameOf(press({ key: 'j', isComposing: true }))).toBe('')
    expect(nameOf(press({ key: 'ł', code: 'KeyL', altKey: true }))).toBe('')
  })
})

describe('KeySequence', () => {
  const known = new Set(['j', 'g i', 'g s'])
  it('answers single keys at once and sequences at their second key', () => {
    const keys = new KeySequence()
    expect(keys.press('j', 0, known)).toBe('j')
    expect(keys.press('g', 10, known)).toBeUndefined()
    expect(keys.press('s', 20, known)).toBe('g s')
  })
  it('forgets a first key that is not followed in time', () => {
    const keys = new KeySequence(100)
    keys.press('g', 0, known)
    expect(keys.press('i', 200, known)).toBeUndefined()
  })
  it('lets a wrong second key count for itself', () => {
    const keys = new KeySequence()
    keys.press('g', 0, known)
    expect(keys.press('j', 10, known)).toBe('j')
  })
})
