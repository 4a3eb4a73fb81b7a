import { Avatar } from './avatar'
import type { ChatState } from './chat-model'
import { useApp } from './context'
import { Icon } from './icons'

export function Header({ state }: { state: ChatState }) {
  const { words: { t }, host } = useApp()
  const { view, online } = state
  const assignee = view.info?.status === 'active' ? view.info.assignee : undefined
  const agent = view.agent && view.agent.id === assignee?.id ? view.agent : undefined
  const name = assignee?.name ?? host.config.name
  const away = agent ? agent.status === 'away' || agent.status === 'busy' : false
  const here = agent ? agent.status !== 'offline' : online
  const line = agent ? t(here ? (away ? 'away' : 'online') : 'offline') : t(online ? 'teamOnline' : 'teamOffline')
  // On a page of its own the name is the title of the page; on a site the page has its own.
  const Title = host.mode === 'page' ? 'h1' : 'h2'
  return (
    <div class="header">
      <Avatar name={name} presence={here ? (away ? 'away' : 'online') : 'off'} />
      <div class="header-text">
        <Title id="parley-title" dir="auto">{name}</Title>
        <p>{line}</p>
      </div>
      {host.mode === 'widget' && (
        <button type="button" class="icon-button" aria-label={t('close')} onClick={() => host.requestClose()}>
          <Icon name="close" />
        </button>
      )}
    </div>
  )
}
