export type ThemeSetting = 'auto' | 'light' | 'dark'
export type Theme = 'light' | 'dark'

/** Calls `apply` now and whenever the theme changes with the system. Returns the end of it. */
export function followTheme(setting: ThemeSetting, apply: (theme: Theme) => void): () => void {
  if (setting !== 'auto') {
    apply(setting)
    return () => undefined
  }
  const query = window.matchMedia('(prefers-color-scheme: dark)')
  const tell = () => apply(query.matches ? 'dark' : 'light')
  tell()
  query.addEventListener('change', tell)
  return () => query.removeEventListener('change', tell)
}
