import { describe, expect, it } from 'vitest'
import { TimeFormat } from './index'

const en = new TimeFormat('en', { now: 'now', today: 'Today', yesterday: 'Yesterday' }, 'Asia/Shanghai')
const zh = new TimeFormat('zh-CN', { now: '刚刚', today: '今天', yesterday: '昨天' }, 'Asia/Shanghai')
const at = (text: string) => Date.parse(`${text}+08:00`)
const now = at('2026-03-14T10:00:00')

describe('TimeFormat', () => {
  it('is relative in lists', () => {
    expect(en.ago(now - 20_000, now)).toBe('now')
    expect(en.ago(now - 3 * 60_000, now)).toContain('3 min')
    expect(en.ago(at('2026-03-14T08:05:00'), now)).toBe('08:05')
    expect(en.ago(at('2026-03-13T23:59:00'), now)).toBe('Yesterday')
    expect(en.ago(at('2026-03-12T10:00:00'), now)).toBe('Mar 12')
    expect(en.ago(at('2025-03-12T10:00:00'), now)).toBe('Mar 12, 2025')
    expect(zh.ago(at('2026-03-12T10:00:00'), now)).toBe('3月12日')
  })
  it('never shows a time to come, when a clock is ahead', () => expect(en.ago(now + 90_000, now)).toBe('now'))
  it('counts calendar days of the zone', () => {
    expect(en.daySeparator(at('2026-03-14T00:01:00'), now)).toBe('Today')
    expect(en.daySeparator(at('2026-03-13T23:59:00'), now)).toBe('Yesterday')
    expect(en.daySeparator(at('2026-03-10T12:00:00'), now)).toBe('Tuesday, March 10')
    expect(zh.daySeparator(at('2025-03-10T12:00:00'), now)).toBe('2025年3月10日')
    expect(en.sameDay(at('2026-03-13T23:59:00'), at('2026-03-14T00:00:00'))).toBe(false)
  })
  it('writes midnight as 00', () => expect(en.time(at('2026-03-14T00:05:00'))).toBe('00:05'))
})
