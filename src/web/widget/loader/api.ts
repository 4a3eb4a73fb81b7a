import type { Emit, ThemeSetting, WidgetEvents } from '../contract'

export interface InitOptions {
  key?: string
  base?: string
  locale?: string
  position?: 'left' | 'right'
  color?: string
  theme?: ThemeSetting
}

/** What the loader does for each call. Arguments were checked before. */
export interface Actions {
  init(options: InitOptions): void
  open(): void
  close(): void
  toggle(): void
  show(): void
  hide(): void
  prefill(text: string): void
  sendMessage(text: string): void
  setLocale(tag: string, overrides?: Record<string, string>): void
  setTheme(theme: ThemeSetting): void
  logout(): void
  destroy(): void
}

type Listener = (detail: unknown) => void

export interface ParleyApi extends Actions {
  on<K extends keyof WidgetEvents>(event: K, fn: (detail: WidgetEvents[K]) => void): () => void
  off(event?: keyof WidgetEvents, fn?: Listener): void
  readonly isOpen: boolean
  readonly unread: number
  readonly version: string
  /** Calls written as `Parley.q.push(['open'])`, before or after the script is there. */
  q: { push(...calls: unknown[][]): void }
}

const isText = (value: unknown) => typeof value === 'string'
const isMap = (value: unknown) => typeof value === 'object' && value !== null
const optional = (check: (value: unknown) => boolean) => (value: unknown) => value === undefined || check(value)
const checks: Record<keyof Actions, ((value: unknown) => boolean)[]> = {
  init: [isMap],
  open: [optional(isText)],
  close: [],
  toggle: [],
  show: [],
  hide: [],
  prefill: [isText],
  sendMessage: [(value) => typeof value === 'string' && value.trim() !== ''],
  setLocale: [isText, optional(isMap)],
  setTheme: [(value) => value === 'auto' || value === 'light' || value === 'dark'],
  logout: [],
  destroy: [],
}

/** The object that pages call. Whatever they pass, nothing is thrown at them; a mistake is named once in the console. */
export function makeApi(actions: Actions, state: { isOpen: () => boolean; unread: () => number; version: string }) {
  const listeners = new Map<string, Set<Listener>>()
  const warned = new Set<string>()
  const warn = (text: string) => {
    if (!warned.has(text)) console.warn(`Parley: ${text}`)
    warned.add(text)
  }

  const guarded = (name: keyof Actions) => (...args: unknown[]) => {
    if (!checks[name].every((check, at) => check(args[at]))) return warn(`${name}() was called with a wrong argument`)
    try {
      ;(actions[name] as (...values: unknown[]) => void)(...args)
    } catch (error) {
      console.error(error)
    }
  }

  const emit: Emit = (event, detail) => {
    for (const fn of [...(listeners.get(event) ?? [])]) {
      try {
        fn(detail)
      } catch (error) {
        console.error(error)
      }
    }
  }

  const api = {
    on(event: string, fn: Listener) {
      if (!isText(event) || typeof fn !== 'function') {
        warn('on() was called with a wrong argument')
        return () => undefined
      }
      const set = listeners.get(event) ?? new Set()
      listeners.set(event, set.add(fn))
      return () => void set.delete(fn)
    },
    off(event?: string, fn?: Listener) {
      if (event === undefined) listeners.clear()
      else if (fn === undefined) listeners.delete(event)
      else listeners.get(event)?.delete(fn)
    },
    get isOpen() {
      return state.isOpen()
    },
    get unread() {
      return state.unread()
    },
    version: state.version,
    q: {
      push: (...calls: unknown[][]) => {
        for (const call of calls) {
          const [name, ...args] = Array.isArray(call) ? call : []
          const fn = (api as unknown as Record<string, unknown>)[String(name)]
          if (typeof fn === 'function' && name !== 'q') (fn as (...values: unknown[]) => void)(...args)
          else warn(`there is no method "${String(name)}"`)
        }
      },
    },
  } as unknown as ParleyApi
  for (const name of Object.keys(checks) as (keyof Actions)[]) (api as unknown as Record<string, unknown>)[name] = guarded(name)
  return { api, emit }
}
