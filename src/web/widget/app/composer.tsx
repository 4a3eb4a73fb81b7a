import { codePoints } from '@shared/text'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import type { ChatState } from './chat-model'
import { useApp } from './context'
import { Icon } from './icons'

const defaultLimit = 4_000
const counterFrom = 0.8
const maxLines = 6
const lineHeight = 22

/** An input method is at work: then Enter and Esc belong to it. Safari says so only by the key code. */
// eslint-disable-next-line @typescript-eslint/no-deprecated
export const isComposing = (event: KeyboardEvent) => event.isComposing || event.keyCode === 229

export function Composer({ state, onSent }: { state: ChatState; onSent: () => void }) {
  const { chat, words: { t } } = useApp()
  const area = useRef<HTMLTextAreaElement>(null)
  const limit = chat.client.ready?.limits.text ?? defaultLimit
  const used = codePoints(state.draft.trimEnd())
  const over = used - limit
  const counts = used >= limit * counterFrom
  const sendable = state.draft.trim() !== '' && over <= 0 && state.connection.phase !== 'stopped'

  useEffect(() => {
    if (state.open) area.current?.focus({ preventScroll: true })
  }, [state.open])

  useLayoutEffect(() => {
    const element = area.current
    if (!element) return
    element.style.height = 'auto'
    element.style.height = `${Math.min(element.scrollHeight, maxLines * lineHeight + 18)}px`
  }, [state.draft, state.open])

  const send = () => {
    if (!sendable) return
    chat.sendDraft()
    onSent()
    area.current?.focus({ preventScroll: true })
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || isComposing(event)) return
    event.preventDefault()
    send()
  }
  return (
    <form class="composer" onSubmit={(event) => { event.preventDefault(); send() }}>
      <div class="field">
        <textarea
          ref={area} rows={1} value={state.draft} placeholder={t('placeholder')} aria-label={t('composer')} dir="auto" enterkeyhint="send"
          aria-invalid={over > 0} aria-describedby={counts ? 'parley-counter' : undefined}
          onInput={(event) => chat.setDraft(event.currentTarget.value)} onKeyDown={onKeyDown}
        />
        <button type="submit" class="send" aria-label={t('send')} aria-disabled={!sendable}><Icon name="send" /></button>
      </div>
      {counts && (
        <p id="parley-counter" class={over > 0 ? 'counter over' : 'counter'}>
          {over > 0 ? t('tooLong', { count: over }) : t('left', { count: used, limit })}
        </p>
      )}
    </form>
  )
}
