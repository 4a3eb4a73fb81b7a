import { followTheme } from '@shared/theme'
import type { App, AppModule, SiteConfig, ThemeSetting } from '../contract'
import { makeApi, type InitOptions, type ParleyApi } from './api'
import { Launcher } from './launcher'
import { wordsFor } from './words'

declare const __APP_FILE__: string
declare const __VERSION__: string

type EarlyCalls = { q?: unknown[][]; version?: string }
type PageWindow = Window & { Parley?: EarlyCalls | ParleyApi }

const page = window as PageWindow
const tag = document.currentScript as HTMLScriptElement | null

function begin(early: EarlyCalls | undefined): void {
  const data = tag?.dataset ?? {}
  const mode = data['mode'] === 'page' ? 'page' : 'widget'
  const scriptBase = tag ? new URL(tag.src).origin : location.origin

  let started = false
  let base = scriptBase
  let launcher: Launcher | undefined
  let loading: Promise<App> | undefined
  let isOpen = false
  let failures = 0
  let unread = 0
  let locale: string | undefined = data['locale']
  let overrides: Record<string, string> = {}
  let stopTheme: () => void = () => undefined
  let theme: ThemeSetting = 'auto'
  /** Calls that came before there was anything to call. */
  let waiting: (() => void)[] = []
  let fetchApp: (() => Promise<App>) | undefined

  const languages = (config?: SiteConfig) =>
    [locale, document.documentElement.lang, ...navigator.languages, config?.locale].filter((entry): entry is string => Boolean(entry))

  /** Runs now, or when the launcher is drawn. */
  const whenDrawn = (run: () => void) => {
    if (launcher) run()
    else waiting.push(run)
  }
  const withApp = (run: (app: App) => void) => whenDrawn(() => void fetchApp?.().then(run, () => undefined))

  const setOpen = (open: boolean) => {
    if (!launcher || open === isOpen) return
    if (!open && mode === 'page') return
    isOpen = open
    launcher.setOpen(open)
    if (open) {
      launcher.setBusy(true)
      void fetchApp?.().then((app) => {
        launcher?.setBusy(false)
        app.setOpen(isOpen)
      }, () => {
        // The launcher keeps its place; the next click tries again.
        isOpen = false
        launcher?.setBusy(false)
        launcher?.setOpen(false)
        launcher?.showFailure()
      })
    } else {
      void loading?.then((app) => app.setOpen(false))
      launcher.button.focus()
    }
    emit(open ? 'open' : 'close', {})
  }

  const applyTheme = () => {
    stopTheme()
    stopTheme = followTheme(theme, (value) => launcher?.setTheme(value))
  }

  const { api, emit } = makeApi({
    init: (options) => void start(options),
    open: () => whenDrawn(() => setOpen(true)),
    close: () => whenDrawn(() => setOpen(false)),
    toggle: () => whenDrawn(() => setOpen(!isOpen)),
    show: () => whenDrawn(() => {
      if (launcher) launcher.wrapper.hidden = false
    }),
    hide: () => whenDrawn(() => {
      setOpen(false)
      if (launcher) launcher.wrapper.hidden = true
    }),
    prefill: (text) => withApp((app) => app.prefill(text)),
    sendMessage: (text) => withApp((app) => app.sendMessage(text)),
    setLocale: (tagName, texts = {}) => {
      locale = tagName
      overrides = texts
      launcher?.speak(wordsFor(languages()))
      void loading?.then((app) => app.setLocale(tagName, texts))
    },
    setTheme: (value) => {
      theme = value
      if (launcher) applyTheme()
    },
    logout: () => withApp((app) => app.logout()),
    destroy: () => {
      started = true
      waiting = []
      stopTheme()
      void loading?.then((app) => app.destroy())
      launcher?.host.remove()
      launcher = undefined
      isOpen = false
      delete page.Parley
    },
  }, { isOpen: () => isOpen, unread: () => unread, version: __VERSION__ })

  async function start(options: InitOptions): Promise<void> {
    const key = options.key ?? siteKey()
    if (started) return
    if (!key) return console.warn('Parley: no site key')
    started = true
    base = (options.base ?? scriptBase).replace(/\/$/, '')
    locale = options.locale ?? locale
    theme = options.theme ?? (data['theme'] as ThemeSetting | undefined) ?? 'auto'
    let config: SiteConfig
    try {
      const answer = await fetch(`${base}/api/v1/widget/config?key=${encodeURIComponent(key)}`, { credentials: 'omit' })
      if (!answer.ok) return console.warn(`Parley: not allowed here (${answer.status})`)
      config = (await answer.json()) as SiteConfig
    } catch {
      return console.warn('Parley: server not reached')
    }
    // destroy() may have been called in the meantime.
    if (!config.enabled || page.Parley !== api) return
    config = {
      ...config,
      color: options.color ?? data['color'] ?? config.color,
      position: options.position ?? (data['position'] as 'left' | 'right' | undefined) ?? config.position,
    }
    draw(config, key)
  }

  function draw(config: SiteConfig, key: string): void {
    fetchApp = () => {
      loading ??= import(/* @vite-ignore */ `${base}/${__APP_FILE__}${failures ? `?retry=${failures}` : ''}`).then(
        (module: AppModule) => {
          if (!launcher) throw new Error('destroyed')
          return module.mount({
            base, key, config, mode, overrides, emit, shadow: launcher.shadow, wrapper: launcher.wrapper,
            languages: languages(config),
            requestClose: () => setOpen(false),
            setUnread: (count, newest) => {
              if (count !== unread) emit('unread', { count })
              unread = count
              launcher?.setUnread(count, newest)
            },
          })
        },
        (error: unknown) => {
          // Some browsers remember a failed address for as long as the page lives.
          failures++
          loading = undefined
          throw error
        },
      )
      return loading
    }
    launcher = new Launcher(config, wordsFor(languages(config)), () => setOpen(!isOpen), () => setOpen(true), () => void fetchApp?.().catch(() => undefined))
    launcher.wrapper.dataset['mode'] = mode
    applyTheme()
    document.body.append(launcher.host)
    const calls = waiting
    waiting = []
    for (const call of calls) call()
    emit('ready', {})
    if (mode === 'page') setOpen(true)
    else void resumeConversation(key)
  }

  /** Someone who has written here before gets his unread messages without opening the panel. */
  async function resumeConversation(key: string): Promise<void> {
    try {
      // Older browsers cannot list databases: there the app waits until it is opened.
      const databases = 'databases' in indexedDB ? await indexedDB.databases() : []
      if (databases.some(({ name }) => name === `parley-${key}`)) await fetchApp?.()
    } catch {
      // Storage is denied here: then there is nothing to come back to.
    }
  }

  page.Parley = api
  api.q.push(...(early?.q ?? []))
  whenIdle(() => siteKey() && api.init({}))

  /** From the script tag, or on the daemon's own pages from a meta element. */
  function siteKey(): string | undefined {
    return data['key'] ?? document.querySelector<HTMLMetaElement>('meta[name="parley-key"]')?.content
  }
}

/** After the page has drawn itself. */
function whenIdle(run: () => void): void {
  const idle = () => ('requestIdleCallback' in window ? window.requestIdleCallback(run, { timeout: 1_000 }) : setTimeout(run, 50))
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', idle, { once: true })
  else idle()
}

// A second script on the same page changes nothing.
if (!page.Parley?.version) begin(page.Parley as EarlyCalls | undefined)
