/** Times as people read them, in the language of the page and the zone of the device. */
import { TimeFormat } from '@shared/time'
import { now } from './clock'
import { t } from './locales'
import { currentLanguage } from './texts'

const formats = new Map<string, TimeFormat>()

function format(): TimeFormat {
  const language = currentLanguage()
  let found = formats.get(language)
  if (!found) {
    found = new TimeFormat(language, { now: t('time.now'), today: t('time.today'), yesterday: t('time.yesterday') })
    formats.set(language, found)
  }
  return found
}

export const sameDay = (a: number, b: number): boolean => format().sameDay(a, b)
export const clockTime = (ts: number): string => format().time(ts)
export const exactTime = (ts: number): string => format().exact(ts)
export const listTime = (ts: number): string => format().ago(ts, now.value)
export const dayName = (ts: number): string => format().daySeparator(ts, now.value)

/** For waiting timers: 0:07, 2:41, 1:05:00. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const two = (n: number): string => String(n).padStart(2, '0')
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}
