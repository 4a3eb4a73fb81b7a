// @vitest-environment happy-dom
import { nextTick } from 'vue'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

const browser = (...tags: string[]) => vi.spyOn(navigator, 'languages', 'get').mockReturnValue(tags)
const preferences = async () => {
  vi.resetModules()
  return import('./preferences')
}

beforeEach(() => localStorage.clear())
afterEach(() => vi.restoreAllMocks())

describe('the language of the console', () => {
  it.each([
    [['zh-TW', 'en'], 'zh-CN'],
    [['en-US', 'zh-CN'], 'en'],
    [['fr', 'zh'], 'zh-CN'],
    [['fr'], 'en']
  ])('is the first of %j that there is', async (tags, expected) => {
    browser(...tags)
    expect((await preferences()).language.value).toBe(expected)
  })

  it('is the account’s after signing in, and the browser’s again for an account without one', async () => {
    browser('zh-CN')
    const { language, adoptLanguageOfAccount } = await preferences()
    adoptLanguageOfAccount('en')
    expect(language.value).toBe('en')
    await nextTick()
    expect(localStorage.getItem('parley.language')).toBeNull()
    adoptLanguageOfAccount(null)
    expect(language.value).toBe('zh-CN')
  })

  it('is what was chosen, before all else and the next time too', async () => {
    browser('zh-CN')
    const { language, adoptLanguageOfAccount } = await preferences()
    language.value = 'en'
    adoptLanguageOfAccount('zh-CN')
    expect(language.value).toBe('en')
    await nextTick()
    expect((await preferences()).language.value).toBe('en')
  })

  it('is not what somebody else wrote there', async () => {
    browser('en')
    localStorage.setItem('parley.language', 'tlh')
    expect((await preferences()).language.value).toBe('en')
  })
})
