import { parseInline } from './inline'
import type { Block } from './nodes'

const bullet = /^\s{0,3}[-*+]\s+(.*)$/
const number = /^\s{0,3}(\d{1,9})[.)]\s+(.*)$/
const quote = /^\s{0,3}>\s?(.*)$/
const fence = /^\s{0,3}```/
const maxQuotes = 4

/**
 * Markdown as people type it in a chat: bold, italic, strike, code, fenced code, links, lists, quotes, and every line break kept.
 * No headings, images, tables or HTML: they stay text.
 */
export function parseMarkdown(text: string, depth = 0): Block[] {
  const lines = text.replace(/\r\n?/g, '\n').split('\n')
  const blocks: Block[] = []
  let paragraph: string[] = []
  const endParagraph = () => {
    const content = paragraph.join('\n').replace(/^\n+|\s+$/g, '')
    if (content) blocks.push({ kind: 'paragraph', children: parseInline(content) })
    paragraph = []
  }
  for (let at = 0; at < lines.length;) {
    const line = lines[at] ?? ''
    if (fence.test(line)) {
      const close = lines.findIndex((other, index) => index > at && fence.test(other))
      const end = close === -1 ? lines.length : close
      endParagraph()
      blocks.push({ kind: 'code', text: lines.slice(at + 1, end).join('\n') })
      at = end + 1
      continue
    }
    const isQuote = quote.test(line) && depth < maxQuotes
    const isList = bullet.test(line) || number.test(line)
    if (!isQuote && !isList) {
      if (line.trim() === '') endParagraph()
      else paragraph.push(line)
      at++
      continue
    }
    endParagraph()
    const pattern = isQuote ? quote : bullet.test(line) ? bullet : number
    const taken: string[] = []
    const start = Number(number.exec(line)?.[1] ?? 1)
    for (; at < lines.length; at++) {
      const match = pattern.exec(lines[at] ?? '')
      if (!match) break
      taken.push(match[match.length - 1] ?? '')
    }
    if (isQuote) blocks.push({ kind: 'quote', children: parseMarkdown(taken.join('\n'), depth + 1) })
    else blocks.push({ kind: 'list', ordered: pattern === number, start, items: taken.map((item) => parseInline(item)) })
  }
  endParagraph()
  return blocks
}

const emoji = /^(?:\p{Regional_Indicator}{2}|(?:\p{Emoji_Presentation}|\p{Emoji}\uFE0F)\p{Emoji_Modifier}?(?:\u200D(?:\p{Emoji_Presentation}|\p{Emoji}\uFE0F?)\p{Emoji_Modifier}?)*)/u

/** One to three emoji and nothing else: shown larger. */
export function isEmojiOnly(text: string): boolean {
  let rest = text.trim()
  for (let count = 0; count < 3 && rest; count++) {
    const match = emoji.exec(rest)
    if (!match) return false
    rest = rest.slice(match[0].length).trimStart()
  }
  return rest === '' && text.trim() !== ''
}

/** The text as the server counts it: in code points. */
export function codePoints(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}
