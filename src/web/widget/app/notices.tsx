import type { ChatState } from './chat-model'
import { useApp } from './context'

/** What a visitor should know while waiting, when nobody is there, and at the end. Below the newest message. */
export function Notices({ state }: { state: ChatState }) {
  const { words: { t }, chat } = useApp()
  const { view, online } = state
  const status = view.info?.status
  if (status === 'closed') {
    return (
      <div class="notice">
        <p>{t('endedNotice')}</p>
        <button type="button" class="secondary" onClick={() => chat.startNew()}>{t('startNew')}</button>
      </div>
    )
  }
  if (!online && status !== 'active') return <div class="notice"><p>{t('offlineNotice')}</p></div>
  if (status !== 'active' && view.queue && online) {
    const { position } = view.queue
    return <div class="notice" role="status"><p>{position === 1 ? t('queueNext') : t('queuePosition', { position })}</p></div>
  }
  return null
}
