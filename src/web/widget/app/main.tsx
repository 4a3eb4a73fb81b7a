import { render } from 'preact'
import { useEffect, useMemo, useState } from 'preact/hooks'
import tokens from '../../tokens/tokens.css?inline'
import type { App, AppHost } from '../contract'
import { languageFor, type Language } from '../locales'
import { adoptStyles } from '../styles'
import { ChatModel } from './chat-model'
import { Context } from './context'
import { Panel } from './panel'
import css from './widget.css?inline'

/** Draws the chat inside what the loader made. Called once per page. */
export function mount(host: AppHost): App {
  adoptStyles(host.shadow, tokens + css)
  host.wrapper.classList.add('parley-tokens')
  const place = document.createElement('div')
  place.className = 'pw-app'
  host.wrapper.prepend(place)

  const chat = new ChatModel(host)
  let language: Language = languageFor(host.languages, host.overrides)
  const draw = () => render(<Root chat={chat} host={host} language={language} />, place)
  draw()

  return {
    setOpen: (open) => chat.setOpen(open),
    prefill: (text) => chat.setDraft(text),
    sendMessage: (text) => chat.send(text),
    setLocale: (tag, overrides) => {
      language = languageFor([tag, ...host.languages], overrides)
      draw()
    },
    logout: () => void chat.logout(),
    destroy: () => {
      chat.destroy()
      render(null, place)
    },
  }
}

function Root({ chat, host, language }: { chat: ChatModel; host: AppHost; language: Language }) {
  const [state, setState] = useState(() => chat.state())
  useEffect(() => {
    setState(chat.state())
    return chat.subscribe(() => setState(chat.state()))
  }, [chat])
  const context = useMemo(() => ({ ...language, chat, host }), [language, chat, host])
  return (
    <Context.Provider value={context}>
      <Panel state={state} />
    </Context.Provider>
  )
}
