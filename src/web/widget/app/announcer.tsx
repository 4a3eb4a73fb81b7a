import { useEffect, useState } from 'preact/hooks'
import type { ChatState } from './chat-model'
import { useApp } from './context'
import { failureText } from './message-state'

/** Speaks each new message once, politely, and each failure at once. */
export function Announcer({ state }: { state: ChatState }) {
  const { chat, host, words: { t } } = useApp()
  const [message, setMessage] = useState('')
  const failed = state.view.items.filter((item) => item.state === 'failed')
  const newest = failed[failed.length - 1]

  useEffect(() => chat.onIncoming((item) => {
    setMessage(t('announce', { name: item.from.name ?? host.config.name, text: item.body.text ?? '' }))
  }), [chat, t])

  return (
    <>
      <div class="hidden-text" role="status" aria-live="polite">{message}</div>
      <div class="hidden-text" role="alert">{newest ? failureText(newest, t) : ''}</div>
    </>
  )
}
