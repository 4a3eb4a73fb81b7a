import type { Conversation } from '@shared/net'

/** What to call a visitor: by name, or, while anonymous, by the end of the id, so that two of them can be told apart. */
export function visitorName(info: Pick<Conversation, 'visitor'>, unknown: string): string {
  const name = info.visitor?.name
  if (name) return name
  return info.visitor ? `${unknown} ${info.visitor.id.slice(-4)}` : unknown
}
