import { describe, expect, it } from 'vitest'
import { policyOf, snippetOf } from './snippet'

describe('what a site copies', () => {
  it('is one script tag with the key of the site', () => {
    expect(snippetOf('https://chat.example.com', 'pk_1')).toBe('<script async src="https://chat.example.com/widget.js" data-key="pk_1"></script>')
  })
  it('cannot be broken by a strange key', () => {
    expect(snippetOf('https://a', '"><x')).toContain('data-key="&#34;&#62;&#60;x"')
  })
  it('names the socket beside the host in the policy', () => {
    expect(policyOf('https://chat.example.com')).toBe(
      'script-src https://chat.example.com; connect-src https://chat.example.com wss://chat.example.com; img-src https://chat.example.com data: blob:',
    )
  })
})
