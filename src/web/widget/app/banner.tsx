import type { ConnectionState } from '@shared/net'
import { useEffect, useState } from 'preact/hooks'
import { useApp } from './context'

/** A short interruption is not worth a word. */
const silentFor = 1_000
const backFor = 2_000

/** Says that the connection is gone and until when, and that it is back; between the two, nothing. */
export function Banner({ connection }: { connection: ConnectionState }) {
  const { words: { t }, chat } = useApp()
  const [, tick] = useState(0)
  const [back, setBack] = useState(false)
  const [wasShown, setWasShown] = useState(false)
  const lost = connection.phase === 'waiting' || connection.phase === 'connecting'

  useEffect(() => {
    if (!lost) return
    const timer = setInterval(() => tick((count) => count + 1), 250)
    return () => clearInterval(timer)
  }, [lost])

  const shown = lost && performance.now() - connection.since >= silentFor
  useEffect(() => {
    if (shown) return setWasShown(true)
    if (connection.phase !== 'live' || !wasShown) return
    setWasShown(false)
    setBack(true)
    const timer = setTimeout(() => setBack(false), backFor)
    return () => clearTimeout(timer)
  }, [shown, connection.phase])

  if (connection.phase === 'stopped') {
    const { reason } = connection
    return (
      <div class="banner warn" role="status">
        <span>{t(reason === 'superseded' ? reason : reason === 'outdated' || reason === 'auth' ? 'stoppedReload' : 'stopped')}</span>
        {reason === 'superseded' && <button type="button" onClick={() => chat.client.reconnect()}>{t('useHere')}</button>}
      </div>
    )
  }
  if (back && connection.phase === 'live') return <div class="banner ok" role="status">{t('backOnline')}</div>
  if (!shown) return null
  if (connection.phase === 'waiting' && connection.offline) return <div class="banner warn" role="status">{t('youAreOffline')}</div>
  const seconds = connection.phase === 'waiting' ? Math.ceil((connection.retryAt - performance.now()) / 1_000) : 0
  // The seconds are not announced: a screen reader would never come to rest.
  return (
    <div class="banner warn">
      <span aria-hidden="true">{seconds > 0 ? t('reconnectingIn', { seconds }) : t('reconnecting')}</span>
      <span class="hidden-text" role="status">{t('reconnecting')}</span>
      {connection.phase === 'waiting' && <button type="button" onClick={() => chat.client.reconnect()}>{t('tryNow')}</button>}
    </div>
  )
}
