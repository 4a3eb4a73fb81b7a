import type { Item } from '@shared/net'
import type { en } from '../locales/en'
import { useApp } from './context'
import { Icon } from './icons'

const icons = { queued: 'clock', sending: 'clock', sent: 'check', delivered: 'checks', read: 'checks', failed: 'alert' } as const

const reasons: Record<string, keyof typeof en> = {
  filtered: 'failedFiltered',
  too_large: 'failedTooLarge',
  timeout: 'failedTimeout',
  unverified: 'failedUnverified',
  forbidden: 'failedForbidden',
}

export function failureText(item: Item, t: (key: keyof typeof en) => string): string {
  return t(reasons[item.failure?.code ?? ''] ?? 'failed')
}

/** Where an own message is on its way; for one that failed also why, and what can be done. */
export function MessageState({ item }: { item: Item }) {
  const { words: { t }, chat } = useApp()
  const { state, local } = item
  if (state !== 'failed') return <span class={`state ${state}`}><Icon name={icons[state]} size={14} />{t(state)}</span>
  return (
    <span class="state failed">
      <Icon name="alert" size={14} />
      {failureText(item, t)}
      {item.failure?.ref && <span class="ref"> ({item.failure.ref})</span>}{' '}
      {local && <button type="button" onClick={() => chat.client.retry(local)}>{t('retry')}</button>}
      {local && <button type="button" onClick={() => {
        const text = chat.client.discard(local)
        if (text && !chat.state().draft) chat.setDraft(text)
      }}>{t('delete')}</button>}
    </span>
  )
}
