import { describe, expect, it } from 'vitest'
import { bareLinks, codePoints, isEmojiOnly, parseMarkdown, safeHref, type Inline } from './index'

/** A short notation of the tree, so that expectations can be read. */
function show(text: string): string {
  const inline = (nodes: Inline[]): string => nodes.map((node) => {
    switch (node.kind) {
      case 'text': return node.text
      case 'break': return '⏎'
      case 'code': return `<c:${node.text}>`
      case 'link': return `<a ${node.href}:${inline(node.children)}>`
      default: return `<${node.kind}:${inline(node.children)}>`
    }
  }).join('')
  return parseMarkdown(text).map((block) => {
    switch (block.kind) {
      case 'paragraph': return inline(block.children)
      case 'code': return `{${block.text}}`
      case 'quote': return `> ${block.children.map((child) => (child.kind === 'paragraph' ? inline(child.children) : child.kind)).join('|')}`
      case 'list': return `${block.ordered ? block.start : '-'}[${block.items.map(inline).join('|')}]`
    }
  }).join(' / ')
}

describe('parseMarkdown', () => {
  it.each([
    ['plain', 'plain'],
    ['a\nb', 'a⏎b'],
    ['a\n\n\nb', 'a / b'],
    ['**b** *i* _i_ ~~s~~ `c`', '<strong:b> <em:i> <em:i> <strike:s> <c:c>'],
    ['**a *b* c**', '<strong:a <em:b> c>'],
    ['这是**重点**内容', '这是<strong:重点>内容'],
    ['snake_case_name and 2*3*4', 'snake_case_name and 2<em:3>4'],
    ['not * closed ** here', 'not * closed ** here'],
    ['\\*literal\\*', '*literal*'],
    ['`**no**`', '<c:**no**>'],
    ['```\nx = 1\n  y\n```\nafter', '{x = 1\n  y} / after'],
    ['```\nopen', '{open}'],
    ['- one\n- **two**', '-[one|<strong:two>]'],
    ['3. c\n4. d', '3[c|d]'],
    ['> quoted\n> more', '> quoted⏎more'],
    ['# heading <b>x</b>', '# heading <b>x</b>'],
    ['', ''],
  ])('%j', (text, expected) => expect(show(text)).toBe(expected))

  it('links what may be a link and leaves the rest as text', () => {
    expect(show('[shop](https://a.cn/x)')).toBe('<a https://a.cn/x:shop>')
    expect(show('[x](javascript:alert(1))')).toBe('[x](javascript:alert(1))')
    expect(show('[x](data:text/html,1)')).toBe('[x](data:text/html,1)')
    expect(show('see https://a.cn/b_c_d.')).toBe('see <a https://a.cn/b_c_d:https://a.cn/b_c_d>.')
    expect(show('[mail](mailto:a@b.cn)')).toBe('<a mailto:a@b.cn:mail>')
  })

  it('stays fast on text made to be slow', () => {
    const started = performance.now()
    for (const text of ['*'.repeat(4_000), '['.repeat(4_000), '_a'.repeat(2_000), '> '.repeat(2_000), '`'.repeat(4_000), '**a'.repeat(1_300)]) parseMarkdown(text)
    expect(performance.now() - started).toBeLessThan(1_500)
  })
})

describe('bareLinks', () => {
  const links = (text: string) => bareLinks(text).map(({ start, end }) => text.slice(start, end))
  it.each([
    ['见 https://a.cn/商品。谢谢', ['https://a.cn/商品']],
    ['（https://a.cn/x）', ['https://a.cn/x']],
    ['https://a.cn/x，还有', ['https://a.cn/x']],
    ['(see https://en.wikipedia.org/wiki/A_(b))', ['https://en.wikipedia.org/wiki/A_(b)']],
    ['www.example.com!', ['www.example.com']],
    ['tel:+861012345, mailto:a@b.cn', ['tel:+861012345', 'mailto:a@b.cn']],
    ['ftp://x.y javascript:alert(1) http://', []],
  ])('%j', (text, expected) => expect(links(text)).toEqual(expected))
})

describe('safeHref', () => {
  it('takes four schemes only', () => {
    expect(safeHref('HTTPS://a.cn')).toBe('HTTPS://a.cn')
    for (const bad of ['javascript:1', ' java\nscript:1', 'data:x', '//a.cn', '/x', 'vbscript:x', 'https:// a']) expect(safeHref(bad)).toBeUndefined()
  })
})

describe('isEmojiOnly', () => {
  it('knows up to three emoji', () => {
    for (const yes of ['👍', '👍🏽 🎉', '👨‍👩‍👧', '❤️', '🇨🇳🇨🇳🇨🇳']) expect(isEmojiOnly(yes), yes).toBe(true)
    for (const no of ['', 'a', '1', '👍👍👍👍', '👍 ok', '#']) expect(isEmojiOnly(no), no).toBe(false)
  })
})

it('counts code points', () => {
  expect(codePoints('中a👍')).toBe(3)
})
