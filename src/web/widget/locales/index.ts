import { pickLocale, Translator } from '@shared/i18n'
import { DayFormat } from '@shared/time/day-format'
import { en } from './en'
import { zhCN } from './zh-CN'

const catalogs = { en, 'zh-CN': zhCN }
export type Words = Translator<typeof en>

export interface Language { words: Words; time: DayFormat }

export function languageFor(wanted: readonly string[], overrides: Record<string, string>): Language {
  const locale = pickLocale(wanted, ['en', 'zh-CN'], 'en')
  const words: Words = new Translator<typeof en>(locale, catalogs[locale], overrides as Partial<typeof en>)
  return { words, time: new DayFormat(locale, { today: words.t('today'), yesterday: words.t('yesterday') }) }
}
