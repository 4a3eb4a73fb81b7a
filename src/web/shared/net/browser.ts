import { TabIdentity, type Locks, type TabStorage } from './identity'
import type { Clock, Connect, Environment, OutboxStore, Signals } from './ports'

const clock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after: (ms, run) => setTimeout(run, ms),
  cancel: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout> | undefined),
}

const connect: Connect = (url, protocol, handlers) => {
  const socket = new WebSocket(url, protocol)
  let closed = false
  socket.onopen = () => handlers.onOpen()
  socket.onmessage = ({ data }) => {
    if (!closed) handlers.onMessage(String(data))
  }
  socket.onclose = ({ code, reason }) => {
    if (!closed) handlers.onClose(code, reason)
    closed = true
  }
  return {
    send: (text) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text)
    },
    close: (code) => {
      closed = true
      socket.close(code)
    },
  }
}

const signals: Signals = {
  visible: () => document.visibilityState === 'visible',
  online: () => navigator.onLine,
  listen: ({ wake, visibility, offline }) => {
    const onVisibility = () => visibility(document.visibilityState === 'visible')
    const onShow = (event: PageTransitionEvent) => {
      if (event.persisted) wake()
    }
    window.addEventListener('online', wake)
    window.addEventListener('offline', offline)
    window.addEventListener('focus', wake)
    window.addEventListener('pageshow', onShow)
    document.addEventListener('visibilitychange', onVisibility)
    return () => {
      window.removeEventListener('online', wake)
      window.removeEventListener('offline', offline)
      window.removeEventListener('focus', wake)
      window.removeEventListener('pageshow', onShow)
      document.removeEventListener('visibilitychange', onVisibility)
    }
  },
}

/** 12 random bytes as base64url: 16 characters. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12))
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_')
}

function browserLocks(): Locks | undefined {
  const manager = navigator.locks as LockManager | undefined
  if (!manager) return undefined
  return {
    hold: (name, waitMs) =>
      new Promise((resolve) => {
        const held = (lock: Lock | null) => {
          resolve(lock !== null)
          // Held until the page ends.
          return lock ? new Promise<void>(() => undefined) : undefined
        }
        const gaveUp = () => resolve(false)
        if (waitMs === 0) return void manager.request(name, { ifAvailable: true }, held).catch(gaveUp)
        const abort = new AbortController()
        setTimeout(() => abort.abort(), waitMs)
        manager.request(name, { signal: abort.signal }, held).catch(gaveUp)
      }),
  }
}

/** Reading sessionStorage throws where storage is denied. */
function tabStorage(): TabStorage | undefined {
  try {
    return window.sessionStorage
  } catch {
    return undefined
  }
}

/** The real browser around a client. */
export function browserEnvironment(store: OutboxStore): Environment {
  return {
    clock,
    connect,
    signals,
    store,
    identity: new TabIdentity(browserLocks(), tabStorage(), newId),
    random: Math.random,
    newId,
  }
}

/** Reading `indexedDB` throws in some private modes. */
export function browserDatabases(): IDBFactory | undefined {
  try {
    return window.indexedDB
  } catch {
    return undefined
  }
}
