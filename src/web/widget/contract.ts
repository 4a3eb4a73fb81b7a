/** What the loader and the app know of each other. The loader is fetched with the page, the app when it is wanted. */

export type Position = 'right' | 'left'
export type ThemeSetting = 'auto' | 'light' | 'dark'

/** Answer of GET /api/v1/widget/config. */
export interface SiteConfig {
  name: string
  tenant: string
  locale: string
  color: string
  position: Position
  launcher_text?: string
  greeting?: string
  privacy_url?: string
  enabled: boolean
  online: boolean
}

export interface WidgetEvents {
  ready: Record<string, never>
  open: Record<string, never>
  close: Record<string, never>
  message: { text: string; from: string }
  unread: { count: number }
  'conversation:started': { conversation: string }
  'conversation:ended': { conversation: string }
  queue: { position: number }
  error: { code: string; message: string }
}
export type Emit = <K extends keyof WidgetEvents>(event: K, detail: WidgetEvents[K]) => void

export interface AppHost {
  /** Origin of the daemon, without a slash at the end. */
  base: string
  key: string
  config: SiteConfig
  /** `page`: the chat fills the window and cannot be closed. */
  mode: 'widget' | 'page'
  shadow: ShadowRoot
  /** Carries the theme; everything is drawn inside it. */
  wrapper: HTMLElement
  /** Wanted languages, best first. */
  languages: readonly string[]
  overrides: Record<string, string>
  emit: Emit
  requestClose(): void
  /** Messages that wait while the panel is closed, and the newest of them. */
  setUnread(count: number, newest?: { from: string; text: string }): void
}

export interface App {
  setOpen(open: boolean): void
  prefill(text: string): void
  sendMessage(text: string): void
  setLocale(tag: string, overrides: Record<string, string>): void
  logout(): void
  destroy(): void
}
export interface AppModule { mount(host: AppHost): App }
