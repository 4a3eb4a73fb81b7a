import { bareLinks, safeHref } from './links'
import type { Inline } from './nodes'

const marks: [mark: string, kind: 'strong' | 'em' | 'strike'][] = [['**', 'strong'], ['__', 'strong'], ['~~', 'strike'], ['*', 'em'], ['_', 'em']]
const maxDepth = 6
const letter = /[\p{L}\p{N}]/u

/** One run of text without block structure. Marks that are not closed stay as they were typed. */
export function parseInline(text: string, depth = 0): Inline[] {
  const nodes: Inline[] = []
  let plain = ''
  const flush = () => {
    if (plain) nodes.push(...linked(plain))
    plain = ''
  }
  for (let at = 0; at < text.length;) {
    const special = depth < maxDepth ? codeAt(text, at) ?? linkAt(text, at, depth) ?? markAt(text, at, depth) : undefined
    if (special) {
      flush()
      nodes.push(special.node)
      at = special.end
      continue
    }
    const char = text[at] ?? ''
    if (char === '\n') {
      flush()
      nodes.push({ kind: 'break' })
    } else if (char === '\\' && /[*_~`[\]\\>#-]/.test(text[at + 1] ?? '')) {
      plain += text[++at] ?? ''
    } else {
      // A bare address is taken whole, so that an underscore in it is not a mark.
      const address = /^(?:https?:\/\/|www\.)\S*/i.exec(text.slice(at, at + 2048))
      if (address && !letter.test(text[at - 1] ?? '')) {
        const [link] = bareLinks(address[0])
        const length = link && link.start === 0 ? link.end : 1
        plain += text.slice(at, at + length)
        at += length
        continue
      }
      plain += char
    }
    at++
  }
  flush()
  return nodes
}

interface Found { node: Inline; end: number }

function codeAt(text: string, at: number): Found | undefined {
  if (text[at] !== '`') return undefined
  const fence = /^`+/.exec(text.slice(at))?.[0] ?? '`'
  const close = text.indexOf(fence, at + fence.length)
  if (close <= at + fence.length - 1 || text.slice(at + fence.length, close).includes('\n')) return undefined
  const inner = text.slice(at + fence.length, close)
  return inner ? { node: { kind: 'code', text: inner }, end: close + fence.length } : undefined
}

function linkAt(text: string, at: number, depth: number): Found | undefined {
  if (text[at] !== '[') return undefined
  const match = /^\[([^[\]\n]{1,500})\]\(([^()\s]{1,2000}(?:\([^()\s]*\)[^()\s]*)?)\)/.exec(text.slice(at, at + 2600))
  const href = match && safeHref(match[2] ?? '')
  if (!match || !href) return undefined
  const children = parseInline(match[1] ?? '', depth + 1).map(withoutLink)
  return { node: { kind: 'link', href, children }, end: at + match[0].length }
}

/** A link inside a link is no link. */
function withoutLink(node: Inline): Inline {
  return node.kind === 'link' ? { kind: 'text', text: node.children.map((child) => (child.kind === 'text' ? child.text : '')).join('') } : node
}

function markAt(text: string, at: number, depth: number): Found | undefined {
  for (const [mark, kind] of marks) {
    if (!text.startsWith(mark, at)) continue
    const from = at + mark.length
    if (/\s|^$/.test(text[from] ?? '')) continue
    // snake_case is no emphasis; 中文**重点**中文 is, because there the sign is not part of words.
    if (mark.startsWith('_') && letter.test(text[at - 1] ?? '')) continue
    for (let close = text.indexOf(mark, from + 1); close !== -1; close = text.indexOf(mark, close + 1)) {
      if (/\s/.test(text[close - 1] ?? '') || text.slice(from, close).includes('\n\n')) continue
      if (mark.length === 1 && (text[close + 1] === mark || text[close - 1] === mark)) continue
      if (mark.startsWith('_') && letter.test(text[close + mark.length] ?? '')) continue
      return { node: { kind, children: parseInline(text.slice(from, close), depth + 1) }, end: close + mark.length }
    }
  }
  return undefined
}

/** Turns the bare addresses of a plain run into links. */
function linked(text: string): Inline[] {
  const nodes: Inline[] = []
  let at = 0
  for (const { start, end, href } of bareLinks(text)) {
    if (start > at) nodes.push({ kind: 'text', text: text.slice(at, start) })
    nodes.push({ kind: 'link', href, children: [{ kind: 'text', text: text.slice(start, end) }] })
    at = end
  }
  if (at < text.length) nodes.push({ kind: 'text', text: text.slice(at) })
  return nodes
}
