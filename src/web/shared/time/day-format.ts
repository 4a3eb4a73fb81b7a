export interface DayWords { today: string; yesterday: string }

/** Times and days of one conversation, in the reader's language and zone. All arguments are milliseconds; `now` is server time. */
export class DayFormat {
  private readonly clock: Intl.DateTimeFormat
  private readonly full: Intl.DateTimeFormat
  private readonly day: Intl.DateTimeFormat
  private readonly dayWithYear: Intl.DateTimeFormat
  private readonly civil: Intl.DateTimeFormat

  constructor(protected readonly locale: string, private readonly names: DayWords, protected readonly timeZone?: string) {
    this.clock = this.format({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
    this.full = this.format({ dateStyle: 'medium', timeStyle: 'medium' })
    this.day = this.format({ weekday: 'long', day: 'numeric', month: 'long' })
    this.dayWithYear = this.format({ day: 'numeric', month: 'long', year: 'numeric' })
    this.civil = this.format({ year: 'numeric', month: '2-digit', day: '2-digit' }, 'en-CA')
  }

  /** 14:05 */
  time(ts: number): string {
    return this.clock.format(ts)
  }

  /** Everything, for a tooltip. */
  exact(ts: number): string {
    return this.full.format(ts)
  }

  /** For a day separator. */
  daySeparator(ts: number, now: number): string {
    const days = this.daysBetween(ts, now)
    if (days === 0) return this.names.today
    if (days === 1) return this.names.yesterday
    return this.sameYear(ts, now) ? this.day.format(ts) : this.dayWithYear.format(ts)
  }

  sameDay(a: number, b: number): boolean {
    return this.civil.format(a) === this.civil.format(b)
  }

  protected format(options: Intl.DateTimeFormatOptions, locale = this.locale): Intl.DateTimeFormat {
    return new Intl.DateTimeFormat(locale, this.timeZone ? { ...options, timeZone: this.timeZone } : options)
  }

  /** Calendar days in the reader's zone, so that 23:59 is yesterday two minutes later. */
  protected daysBetween(earlier: number, later: number): number {
    const day = (ts: number) => Date.parse(`${this.civil.format(ts)}T00:00:00Z`) / 86_400_000
    return Math.round(day(later) - day(earlier))
  }

  protected sameYear(a: number, b: number): boolean {
    return this.civil.format(a).slice(0, 4) === this.civil.format(b).slice(0, 4)
  }
}
