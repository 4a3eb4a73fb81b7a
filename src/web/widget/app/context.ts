import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { AppHost } from '../contract'
import type { Language } from '../locales'
import type { ChatModel } from './chat-model'

export interface AppContext extends Language { chat: ChatModel; host: AppHost }

export const Context = createContext<AppContext | undefined>(undefined)

export function useApp(): AppContext {
  const value = useContext(Context)
  if (!value) throw new Error('drawn outside of the app')
  return value
}
