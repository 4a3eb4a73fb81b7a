import { isEmojiOnly, parseMarkdown, type Block, type Inline } from '@shared/text'
import type { ComponentChildren } from 'preact'
import { useMemo } from 'preact/hooks'

/** Message text, drawn as elements. Nothing of it ever becomes HTML. */
export function RichText({ text }: { text: string }) {
  const blocks = useMemo(() => parseMarkdown(text), [text])
  if (isEmojiOnly(text)) return <p class="emoji">{text.trim()}</p>
  return <>{blocks.map(block)}</>
}

function block(node: Block): ComponentChildren {
  switch (node.kind) {
    case 'paragraph': return <p>{node.children.map(inline)}</p>
    case 'quote': return <blockquote>{node.children.map(block)}</blockquote>
    case 'code': return <pre tabIndex={0}><code>{node.text}</code></pre>
    case 'list': {
      const items = node.items.map((item) => <li>{item.map(inline)}</li>)
      return node.ordered ? <ol start={node.start}>{items}</ol> : <ul>{items}</ul>
    }
  }
}

function inline(node: Inline): ComponentChildren {
  switch (node.kind) {
    case 'text': return node.text
    case 'break': return <br />
    case 'code': return <code>{node.text}</code>
    case 'strong': return <strong>{node.children.map(inline)}</strong>
    case 'em': return <em>{node.children.map(inline)}</em>
    case 'strike': return <s>{node.children.map(inline)}</s>
    case 'link': return <a href={node.href} target="_blank" rel="noopener noreferrer nofollow">{node.children.map(inline)}</a>
  }
}
