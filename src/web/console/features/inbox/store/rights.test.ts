import type { Conversation } from '@shared/net'
import { describe, expect, it } from 'vitest'
import { rightsOf } from './rights'

const info = (over: Partial<Conversation>): Conversation => ({ conv: '1', epoch: 'e', head: 1, status: 'active', claim: 1, assignee: { id: '7', name: 'Li Na' }, ...over })

describe('rightsOf', () => {
  it('lets only the assignee reply', () => {
    expect(rightsOf(info({}), '7', false)).toMatchObject({ reply: true, takeOver: false, transfer: true })
    expect(rightsOf(info({}), '8', false)).toMatchObject({ reply: false, note: true, takeOver: false, transfer: false })
  })
  it('lets supervisors take over and pass on', () => {
    expect(rightsOf(info({}), '8', true)).toMatchObject({ reply: false, takeOver: true, transfer: true })
  })
  it('offers the queue to everybody', () => {
    expect(rightsOf(info({ status: 'waiting', assignee: null }), '8', false)).toMatchObject({ claim: true, reply: false })
  })
  it('offers only reopening and notes when closed', () => {
    expect(rightsOf(info({ status: 'closed' }), '7', true)).toEqual({ reply: false, note: true, claim: false, takeOver: false, transfer: false, close: false, reopen: true })
  })
})
