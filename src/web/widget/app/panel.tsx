import { useEffect, useRef, useState } from 'preact/hooks'
import { Announcer } from './announcer'
import { Banner } from './banner'
import type { ChatState } from './chat-model'
import { Composer, isComposing } from './composer'
import { useApp } from './context'
import { Header } from './header'
import { MessageList } from './message-list'
import { useFullScreen } from './use-full-screen'

export function Panel({ state }: { state: ChatState }) {
  const { host, words } = useApp()
  const { t } = words
  const panel = useRef<HTMLDivElement>(null)
  const [sends, setSends] = useState(0)
  const fullScreen = useFullScreen(panel, state.open && host.mode === 'widget')
  const modal = fullScreen && host.mode === 'widget'

  useEffect(() => {
    host.wrapper.lang = words.locale
    if (host.mode !== 'page') return
    document.documentElement.lang = words.locale
    document.title = host.config.name
  }, [words.locale])

  const onKeyDown = (event: KeyboardEvent) => {
    if (isComposing(event)) return
    if (event.key === 'Escape' && host.mode === 'widget') {
      event.stopPropagation()
      host.requestClose()
    } else if (event.key === 'Tab' && modal) {
      keepInside(event, panel.current)
    }
  }
  const role = host.mode === 'page' ? { role: 'main' as const } : { role: 'dialog' as const, 'aria-modal': modal }
  return (
    <div ref={panel} class="panel" hidden={!state.open} onKeyDown={onKeyDown} aria-labelledby="parley-title" {...role}>
      <Header state={state} />
      <Banner connection={state.connection} />
      <MessageList state={state} sends={sends} />
      <Composer state={state} onSent={() => setSends((count) => count + 1)} />
      {host.config.privacy_url && /^https?:/.test(host.config.privacy_url) && (
        <p class="privacy"><a href={host.config.privacy_url} target="_blank" rel="noopener noreferrer">{t('privacy')}</a></p>
      )}
      <Announcer state={state} />
    </div>
  )
}

/** On a phone the panel covers the page, so the focus must not go behind it. */
function keepInside(event: KeyboardEvent, panel: HTMLElement | null): void {
  const all = [...(panel?.querySelectorAll<HTMLElement>('button, a[href], textarea, [tabindex="0"]') ?? [])]
  const active = (panel?.getRootNode() as ShadowRoot | undefined)?.activeElement
  const [first, last] = [all[0], all[all.length - 1]]
  const edge = event.shiftKey ? first : last
  if (active !== edge) return
  event.preventDefault()
  ;(event.shiftKey ? last : first)?.focus()
}
