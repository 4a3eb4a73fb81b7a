import { describe, expect, it } from 'vitest'
import { sendsMessage } from './composing'

const enter = { key: 'Enter', code: 'Enter', keyCode: 13, isComposing: false, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, repeat: false }

describe('sendsMessage', () => {
  it('sends with Enter, also with Ctrl or Command', () => {
    expect(sendsMessage(enter)).toBe(true)
    expect(sendsMessage({ ...enter, ctrlKey: true })).toBe(true)
  })
  it('breaks the line with Shift', () => {
    expect(sendsMessage({ ...enter, shiftKey: true })).toBe(false)
  })
  it('leaves the Enter that ends a word to the input method', () => {
    expect(sendsMessage({ ...enter, isComposing: true })).toBe(false)
    expect(sendsMessage({ ...enter, keyCode: 229 })).toBe(false)
  })
  it('ignores a key that is held down, which may have begun elsewhere', () => {
    expect(sendsMessage({ ...enter, repeat: true })).toBe(false)
  })
})
