import { describe, expect, it } from 'vitest'
import { pickLocale, Translator, type CatalogOf } from './index'

const en = { hello: 'Hello {name}', unread: { one: '{count} message', other: '{count} messages' } }
const zh: CatalogOf<typeof en> = { hello: '你好，{name}', unread: { other: '{count} 条消息' } }

describe('Translator', () => {
  it('fills in values and chooses the plural', () => {
    const { t } = new Translator<typeof en>('en', en)
    expect(t('hello', { name: 'Li' })).toBe('Hello Li')
    expect(t('unread', { count: 1 })).toBe('1 message')
    expect(t('unread', { count: 1200 })).toBe('1,200 messages')
    expect(new Translator<typeof en>('zh-CN', zh).t('unread', { count: 1 })).toBe('1 条消息')
  })
  it('lets a site replace a text', () => {
    expect(new Translator<typeof en>('en', en, { hello: 'Hi {name}!' }).t('hello', { name: '$&' })).toBe('Hi $&!')
  })
})

describe('pickLocale', () => {
  const pick = (...wanted: (string | undefined)[]) => pickLocale(wanted, ['en', 'zh-CN'], 'en')
  it('takes the first wanted language that exists', () => {
    expect(pick('zh-cn')).toBe('zh-CN')
    expect(pick('zh-Hant-TW')).toBe('zh-CN')
    expect(pick('fr', 'zh')).toBe('zh-CN')
    expect(pick(undefined, 'en-GB', 'zh')).toBe('en')
    expect(pick('fr')).toBe('en')
  })
})
