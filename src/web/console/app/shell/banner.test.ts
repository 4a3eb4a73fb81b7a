import { describe, expect, it } from 'vitest'
import { bannerOf } from './banner'

describe('bannerOf', () => {
  it('says nothing during a short break', () => {
    expect(bannerOf({ phase: 'connecting', since: 0, attempt: 1 }, 900)).toBeUndefined()
    expect(bannerOf({ phase: 'connecting', since: 0, attempt: 1 }, 1000)).toBe('reconnecting')
  })
  it('tells a missing network from a missing server', () => {
    expect(bannerOf({ phase: 'waiting', since: 0, attempt: 2, retryAt: 9, offline: true }, 5000)).toBe('offline')
    expect(bannerOf({ phase: 'waiting', since: 0, attempt: 2, retryAt: 9, offline: false }, 5000)).toBe('reconnecting')
  })
  it('leaves an ended session to its dialog', () => {
    expect(bannerOf({ phase: 'stopped', reason: 'auth' }, 5000)).toBeUndefined()
    expect(bannerOf({ phase: 'stopped', reason: 'superseded' }, 0)).toBe('stopped')
  })
})
