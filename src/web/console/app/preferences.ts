/** What this person chose in this browser: theme, language, sounds, and the widths of panes. */
import { usePreferredDark, useStorage } from '@vueuse/core'
import { computed, watchEffect } from 'vue'
import { languages, setLanguage, type Language } from './texts'

export type Theme = 'system' | 'light' | 'dark'

const systemIsDark = usePreferredDark()
export const theme = useStorage<Theme>('parley.theme', 'system')
/** Stored only when it was chosen: an explicit choice wins over the account's language, and that over the browser's. */
export const language = useStorage<Language>('parley.language', languageOfBrowser(), undefined, { writeDefaults: false })
export const soundOn = useStorage('parley.sound', true)
export const listWidth = useStorage('parley.list-width', 360)
export const contextShown = useStorage('parley.context', true)

export const isDark = computed(() => (theme.value === 'system' ? systemIsDark.value : theme.value === 'dark'))

function languageOfBrowser(): Language {
  return navigator.languages.some((tag) => tag.toLowerCase().startsWith('zh')) ? 'zh-CN' : 'en'
}

export function adoptLanguageOfAccount(locale: string): void {
  const chosen = readChoice() !== null
  if (!chosen && locale in languages) language.value = locale as Language
}

/** Reading the storage throws where it is denied. */
function readChoice(): string | null {
  try {
    return localStorage.getItem('parley.language')
  } catch {
    return null
  }
}

export function applyPreferences(): void {
  watchEffect(() => {
    document.documentElement.dataset.theme = isDark.value ? 'dark' : 'light'
  })
  watchEffect(() => {
    setLanguage(language.value in languages ? language.value : 'en')
  })
}
