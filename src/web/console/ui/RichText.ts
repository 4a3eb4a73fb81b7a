/** Message text as elements. It is parsed into nodes and never becomes an HTML string. */
import { isEmojiOnly, parseMarkdown, type Block, type Inline } from '@shared/text'
import { defineComponent, h, type VNode, type VNodeArrayChildren } from 'vue'

const marks = { strong: 'strong', em: 'em', strike: 's' } as const

function inline(nodes: readonly Inline[]): VNodeArrayChildren {
  return nodes.map((node) => {
    switch (node.kind) {
      case 'text': return node.text
      case 'break': return h('br')
      case 'code': return h('code', { class: 'rounded-tag bg-[color-mix(in_srgb,currentColor_8%,transparent)] px-1 font-mono text-[.9em]' }, node.text)
      case 'link':
        return h('a', { href: node.href, target: '_blank', rel: 'noopener noreferrer nofollow', class: 'link break-all' }, inline(node.children))
      default: return h(marks[node.kind], node.kind === 'strong' ? { class: 'font-semibold' } : {}, inline(node.children))
    }
  })
}

function block(node: Block): VNode {
  switch (node.kind) {
    case 'paragraph': return h('p', inline(node.children))
    case 'code':
      return h('pre', { class: 'my-1 overflow-x-auto rounded-control bg-[color-mix(in_srgb,currentColor_8%,transparent)] px-2 py-1.5 font-mono text-13', tabindex: 0 }, node.text)
    case 'quote': return h('blockquote', { class: 'border-s-2 border-control ps-2 text-ink-2' }, node.children.map(block))
    case 'list':
      return h(
        node.ordered ? 'ol' : 'ul', { class: node.ordered ? 'list-decimal ps-5' : 'list-disc ps-5', ...(node.ordered ? { start: node.start } : {}) },
        node.items.map((item) => h('li', inline(item))),
      )
  }
}

export default defineComponent({
  name: 'RichText',
  props: { text: { type: String, required: true } },
  setup: (props) => () =>
    h('div', { dir: 'auto', class: ['space-y-2 break-words [overflow-wrap:anywhere]', isEmojiOnly(props.text) && 'text-28'] }, parseMarkdown(props.text).map(block)),
})
