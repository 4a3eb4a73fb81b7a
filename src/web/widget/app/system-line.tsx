import type { Item } from '@shared/net'
import { useApp } from './context'

/** "Li Na joined" and the like. */
export function SystemLine({ item }: { item: Item }) {
  const { words: { t }, time } = useApp()
  const name = item.entry?.body?.to?.name
  const text = {
    claim: t('joined', { name: name ?? item.from.name ?? t('agent') }),
    assign: name ? t('joined', { name }) : t('backInQueue'),
    transfer: name ? t('transferred', { name }) : t('backInQueue'),
    close: t('ended'),
    reopen: t('reopened'),
  }[item.type]
  return text ? <p class="system" title={time.exact(item.ts)}><span dir="auto">{text}</span></p> : null
}
