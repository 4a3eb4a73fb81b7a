import type { Sender } from '@shared/net'
import { useApp } from './context'

export function TypingDots({ people }: { people: readonly Sender[] }) {
  const { words: { t }, host } = useApp()
  const who = people[0]
  if (!who) return null
  return (
    <p class="typing">
      <span class="dots" aria-hidden="true"><i /><i /><i /></span>
      {t('typing', { name: who.name ?? host.config.name })}
    </p>
  )
}
