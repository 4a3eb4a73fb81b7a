import { DayFormat, type DayWords } from './day-format'

export { DayFormat, type DayWords }
export interface TimeWords extends DayWords { now: string }

const minute = 60_000
const hour = 60 * minute

/** Times as people read them, in lists too. */
export class TimeFormat extends DayFormat {
  private readonly short: Intl.DateTimeFormat
  private readonly shortWithYear: Intl.DateTimeFormat
  private readonly relative: Intl.RelativeTimeFormat

  constructor(locale: string, private readonly words: TimeWords, timeZone?: string) {
    super(locale, words, timeZone)
    this.short = this.format({ day: 'numeric', month: 'short' })
    this.shortWithYear = this.format({ day: 'numeric', month: 'short', year: 'numeric' })
    this.relative = new Intl.RelativeTimeFormat(locale, { numeric: 'always', style: 'short' })
  }

  /** For a list: now, 3 min, 14:05, Yesterday, 12 Mar. */
  ago(ts: number, now: number): string {
    const age = now - ts
    if (age < minute) return this.words.now
    if (age < hour) return this.relative.format(-Math.floor(age / minute), 'minute')
    const days = this.daysBetween(ts, now)
    if (days <= 0) return this.time(ts)
    if (days === 1) return this.words.yesterday
    return this.sameYear(ts, now) ? this.short.format(ts) : this.shortWithYear.format(ts)
  }
}
