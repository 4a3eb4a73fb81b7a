import { describe, expect, it } from 'vitest'
import { originOf, parseOrigins } from './origins'

describe('originOf', () => {
  it('keeps only scheme, host and port of what was pasted', () => {
    expect(originOf(' https://Shop.example.com/basket?id=1 ')).toBe('https://shop.example.com')
    expect(originOf('http://localhost:3000/')).toBe('http://localhost:3000')
  })
  it('takes a bare name for a secure address', () => {
    expect(originOf('example.com')).toBe('https://example.com')
  })
  it('refuses what is no web address', () => {
    for (const text of ['ftp://a.example', 'javascript://x', '', '::']) expect(originOf(text)).toBeUndefined()
  })
})

describe('parseOrigins', () => {
  it('reads one per line, without doubles', () => {
    expect(parseOrigins('a.example\nhttps://a.example/x\nb.example')).toEqual({ origins: ['https://a.example', 'https://b.example'], wrong: undefined })
  })
  it('names the first line that is wrong', () => {
    expect(parseOrigins('a.example\nftp://b').wrong).toBe('ftp://b')
  })
})
