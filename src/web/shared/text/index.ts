export { bareLinks, safeHref } from './links'
export { codePoints, isEmojiOnly, parseMarkdown } from './markdown'
export type { Block, Inline } from './nodes'
