// @vitest-environment happy-dom
import { afterEach, describe, expect, it } from 'vitest'
import { setLanguage } from './texts'

const modules = import.meta.glob<{ default: Record<string, string> }>('../**/locales/{en,zh-CN}.ts', { eager: true })
const pairs = Object.keys(modules).filter((path) => path.endsWith('/en.ts')).map((path) => path.slice(0, -'/en.ts'.length))
const parametersOf = (text: string) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort()

afterEach(() => setLanguage('en'))

describe('the catalogs', () => {
  it.each(pairs)('%s has the same keys and parameters in both languages, and no empty text', (folder) => {
    const [en, zh] = [modules[`${folder}/en.ts`]?.default ?? {}, modules[`${folder}/zh-CN.ts`]?.default ?? {}]
    expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort())
    for (const [key, text] of Object.entries(en)) {
      expect(zh[key]?.trim(), key).toBeTruthy()
      expect(parametersOf(zh[key] ?? ''), key).toEqual(parametersOf(text))
    }
  })

  it('choose the plural by the rules of the language', async () => {
    const { t } = await import('../features/inbox/locales')
    expect([1, 4].map((n) => t('list.updates', { n }))).toEqual(['1 update', '4 updates'])
    setLanguage('zh-CN')
    expect(t('list.updates', { n: 1 })).toBe('1 条更新')
  })
})
