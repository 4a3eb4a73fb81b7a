/** What this person chose in this browser: theme, language, sounds, and the widths of panes. */
import { usePreferredDark, useStorage } from '@vueuse/core'
import { computed, ref, watchEffect } from 'vue'
import { pickLocale } from '../../shared/i18n'
import { languages, setLanguage, type Language } from './texts'

export type Theme = 'system' | 'light' | 'dark'

const systemIsDark = usePreferredDark()
export const theme = useStorage<Theme>('parley.theme', 'system')
/** Chosen in this browser. Nothing is stored until somebody chooses. */
const chosenLanguage = useStorage('parley.language', '', undefined, { writeDefaults: false })
const languageOfAccount = ref('')
/** What was chosen wins over the account's language, and that over the browser's. */
export const language = computed<Language>({
  get: () => pickLocale([chosenLanguage.value, languageOfAccount.value, ...navigator.languages], Object.keys(languages) as Language[], 'en'),
  set: (value) => (chosenLanguage.value = value)
})
export const soundOn = useStorage('parley.sound', true)
export const listWidth = useStorage('parley.list-width', 360)
export const contextShown = useStorage('parley.context', true)

export const isDark = computed(() => (theme.value === 'system' ? systemIsDark.value : theme.value === 'dark'))

/** null: the account has none. */
export function adoptLanguageOfAccount(locale: string | null): void {
  languageOfAccount.value = locale ?? ''
}

export function applyPreferences(): void {
  watchEffect(() => {
    document.documentElement.dataset.theme = isDark.value ? 'dark' : 'light'
  })
  watchEffect(() => {
    setLanguage(language.value)
  })
}
