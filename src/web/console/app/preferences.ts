/** What this person chose in this browser: theme, language, sounds, and the widths of panes. */
import { usePreferredDark, useStorage } from '@vueuse/core'
import { computed, ref, watchEffect } from 'vue'
import { languages, setLanguage, type Language } from './texts'

export type Theme = 'system' | 'light' | 'dark'

const systemIsDark = usePreferredDark()
export const theme = useStorage<Theme>('parley.theme', 'system')
/** Chosen in this browser; it wins over the account's language, and that over the browser's. Nothing is stored until somebody chooses. */
const chosenLanguage = useStorage<Language | null>('parley.language', null, undefined, { writeDefaults: false, serializer: { read: readLanguage, write: String } })
const languageOfAccount = ref<Language | null>(null)
export const language = computed<Language>({
  get: () => chosenLanguage.value ?? languageOfAccount.value ?? languageOfBrowser(),
  set: (value) => (chosenLanguage.value = value)
})
export const soundOn = useStorage('parley.sound', true)
export const listWidth = useStorage('parley.list-width', 360)
export const contextShown = useStorage('parley.context', true)

export const isDark = computed(() => (theme.value === 'system' ? systemIsDark.value : theme.value === 'dark'))

function readLanguage(text: string): Language | null {
  return text in languages ? (text as Language) : null
}

/** The first of the browser's languages that there is. */
function languageOfBrowser(): Language {
  for (const tag of navigator.languages) {
    const main = tag.toLowerCase().split('-')[0]
    if (main === 'zh') return 'zh-CN'
    if (main === 'en') return 'en'
  }
  return 'en'
}

/** null: the account has none. */
export function adoptLanguageOfAccount(locale: string | null): void {
  languageOfAccount.value = locale === null ? null : readLanguage(locale)
}

export function applyPreferences(): void {
  watchEffect(() => {
    document.documentElement.dataset.theme = isDark.value ? 'dark' : 'light'
  })
  watchEffect(() => {
    setLanguage(language.value in languages ? language.value : 'en')
  })
}
