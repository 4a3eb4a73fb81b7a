import type { Conversation } from '@shared/net'
import { describe, expect, it } from 'vitest'
import { withOverlay } from './overlay'

const me = { id: '7', name: 'Li Na' }
const info: Conversation = { conv: '1', epoch: 'e', head: 4, status: 'waiting', claim: 1, assignee: null }
const wish = { patch: { status: 'active' as const, assignee: me }, claim: 1 }

describe('withOverlay', () => {
  it('shows the wish at once', () => {
    expect(withOverlay(info, wish)).toMatchObject({ status: 'active', assignee: me })
  })
  it('lets a change by somebody else win', () => {
    const taken = { ...info, claim: 2, status: 'active' as const, assignee: { id: '8', name: 'Wang' } }
    expect(withOverlay(taken, wish)).toBe(taken)
  })
  it('stays between the answer and the entry, and ends with the entry', () => {
    const agreed = { ...wish, storedAs: 5 }
    expect(withOverlay(info, agreed).status).toBe('active')
    const there = { ...info, head: 5 }
    expect(withOverlay(there, agreed)).toBe(there)
  })
  it('changes nothing without a wish, which is how a refusal rolls back', () => {
    expect(withOverlay(info, undefined)).toBe(info)
  })
})
