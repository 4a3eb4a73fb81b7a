import { memo } from './memo'
import { Avatar } from './avatar'
import { useApp } from './context'
import { MessageState } from './message-state'
import { RichText } from './rich-text'
import type { Row } from './timeline'

type Message = Extract<Row, { kind: 'message' }>

function sameMessage(a: { row: Message }, b: { row: Message }): boolean {
  const [x, y] = [a.row, b.row]
  return x.first === y.first && x.last === y.last && x.newestOwn === y.newestOwn && x.item.state === y.item.state
    && x.item.entry?.rev === y.item.entry?.rev && x.item.body.text === y.item.body.text && x.item.failure?.code === y.item.failure?.code
    && x.item.ts === y.item.ts && x.item.local === y.item.local
}

export const Bubble = memo(function Bubble({ row }: { row: Message }) {
  const { words: { t }, time, host } = useApp()
  const { item, first, last, newestOwn } = row
  const name = item.from.name ?? (item.from.k === 'v' ? t('you') : host.config.name)
  const side = item.own ? 'own' : 'other'
  const showState = item.own && (newestOwn || item.state === 'failed')
  return (
    <div class={`message ${side}${first ? ' first' : ''}${last ? ' last' : ''} ${item.state}`} tabIndex={-1}>
      {!item.own && <span class="gutter">{last && <Avatar name={name} />}</span>}
      <div class="stack">
        {first && !item.own && <p class="sender" dir="auto">{name}{item.from.k === 'b' && <span class="ai">AI</span>}</p>}
        {item.own && <span class="hidden-text">{t('you')}</span>}
        <div class="bubble" dir="auto" title={time.exact(item.ts)}>
          {item.recalled ? <p class="recalled">{t('recalled')}</p> : <RichText text={item.body.text ?? ''} />}
        </div>
        <p class={showState ? 'meta shown' : 'meta'}>
          {item.state !== 'failed' && <time dateTime={new Date(item.ts).toISOString()}>{time.time(item.ts)}</time>}
          {item.edited && <span>{t('edited')}</span>}
          {item.own && <MessageState item={item} />}
        </p>
      </div>
    </div>
  )
}, sameMessage)
