import { describe, expect, it } from 'vitest'
import { checkDraft, draftOf, formOf } from './site-draft'

describe('a site while it is edited', () => {
  it('begins with sensible values and says what is missing', () => {
    const draft = draftOf(undefined, 'zh-CN')
    expect(draft).toMatchObject({ enabled: true, locale: 'zh-CN', position: 'right' })
    expect(checkDraft(draft)).toEqual({ name: 'required' })
    expect(checkDraft({ ...draft, name: 'Shop', origins: 'ftp://x' })).toEqual({ origins: { wrong: 'ftp://x' } })
  })
  it('becomes what the server takes', () => {
    const draft = { ...draftOf(undefined, 'en'), name: ' Shop ', origins: 'shop.example\n', color: '#aabbcc' }
    expect(formOf(draft)).toMatchObject({ name: 'Shop', allowed_origins: ['https://shop.example'], settings: { color: '#AABBCC', locale: 'en' } })
  })
})
