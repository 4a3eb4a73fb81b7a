/** Translated text for a front end without a framework. The types make a missing or misspelt key fail the build. */

/** A plural has one text per category of Intl.PluralRules; `other` is always there. */
export type Plural = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string }
export type Message = string | Plural
/** The shape a translation must have, derived from the catalog that is written first. */
export type CatalogOf<Base> = { [Key in keyof Base]: Base[Key] extends string ? string : Plural }

export type Values = Record<string, string | number>

export class Translator<Base extends Record<string, Message>> {
  private readonly plurals: Intl.PluralRules
  private readonly numbers: Intl.NumberFormat

  constructor(readonly locale: string, private readonly catalog: CatalogOf<Base>, private readonly overrides: Partial<Record<keyof Base, Message>> = {}) {
    this.plurals = new Intl.PluralRules(locale)
    this.numbers = new Intl.NumberFormat(locale)
  }

  /** `{name}` in the text is replaced by values.name; a plural is chosen by values.count. */
  t = (key: keyof Base, values: Values = {}): string => {
    const message: Message = this.overrides[key] ?? (this.catalog[key] as Message)
    const text = typeof message === 'string' ? message : message[this.plurals.select(Number(values['count'] ?? 0))] ?? message.other
    return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name]
      if (value === undefined) return whole
      return typeof value === 'number' ? this.numbers.format(value) : value
    })
  }
}

/** The first wanted language that is there: exact, then by language and script, then by language alone. */
export function pickLocale<Available extends string>(wanted: readonly (string | undefined)[], available: readonly Available[], fallback: Available): Available {
  for (const tag of wanted) {
    if (!tag) continue
    const exact = available.find((candidate) => candidate.toLowerCase() === tag.toLowerCase())
    if (exact) return exact
    const language = languageOf(tag)
    const close = available.find((candidate) => languageOf(candidate) === language)
    if (close) return close
  }
  return fallback
}

const languageOf = (tag: string) => tag.toLowerCase().split(/[-_]/)[0]
