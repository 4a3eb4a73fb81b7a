/** Translated texts. Every area of the console owns a catalog in English and Chinese; English defines the keys, so a
 *  translation that lacks one does not compile. */
import { createI18n } from 'vue-i18n'

export const languages = { en: 'English', 'zh-CN': '简体中文' } as const
export type Language = keyof typeof languages

/** What a translation of `Source` must contain: the same keys. */
export type Translation<Source> = { readonly [Key in keyof Source]: string }
export type TextParams = Record<string, string | number>

const pluralRules = { en: new Intl.PluralRules('en'), 'zh-CN': new Intl.PluralRules('zh-CN') }

/** A text with several forms lists them in the order of the language's own plural categories: "one | other" in English. */
function pluralForm(language: Language) {
  const categories = pluralRules[language].resolvedOptions().pluralCategories
  const order = ['zero', 'one', 'two', 'few', 'many', 'other'].filter((name) => (categories as string[]).includes(name))
  return (count: number, forms: number) => Math.min(order.indexOf(pluralRules[language].select(count)), forms - 1)
}

const i18n = createI18n({
  legacy: false,
  locale: 'en' as Language,
  fallbackLocale: 'en' as Language,
  messages: { en: {}, 'zh-CN': {} } as Record<Language, Record<string, string>>,
  // Keys are flat ("inbox.list.empty" is one key), so looking one up is one property access.
  messageResolver: (catalog, key) => (catalog as Record<string, string>)[key] ?? null,
  pluralRules: { en: pluralForm('en'), 'zh-CN': pluralForm('zh-CN') },
})
export const i18nPlugin = i18n

/** Reactive: reading it inside a template or a computed makes that depend on the language. */
export const currentLanguage = (): Language => i18n.global.locale.value

export function setLanguage(language: Language): void {
  i18n.global.locale.value = language
  document.documentElement.lang = language
}

/** Registers the catalogs of one area and returns its translate function. A parameter `n` chooses the plural form. */
export function defineTexts<Source extends Record<string, string>>(area: string, en: Source, zhCN: Translation<Source>) {
  const prefixed = (catalog: Record<string, string>) =>
    Object.fromEntries(Object.entries(catalog).map(([key, text]) => [`${area}.${key}`, text]))
  i18n.global.mergeLocaleMessage('en', prefixed(en))
  i18n.global.mergeLocaleMessage('zh-CN', prefixed(zhCN))
  return (key: keyof Source & string, params: TextParams = {}): string =>
    typeof params.n === 'number'
      ? i18n.global.t(`${area}.${key}`, params, params.n)
      : i18n.global.t(`${area}.${key}`, params)
}
