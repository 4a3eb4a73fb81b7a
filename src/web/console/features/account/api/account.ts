import { request } from '../../../app/http'

export interface AccountChange { locale?: string; time_zone?: string; password?: string; current_password?: string }
export interface Token { id: string; name: string; created_at: string; last_used_at?: string | null }

export const changeAccount = (change: AccountChange): Promise<unknown> => request('PATCH', '/account', change)
export const fetchTokens = async (): Promise<Token[]> => (await request<{ items: Token[] }>('GET', '/tokens')).items
export const addToken = (name: string): Promise<Token & { token: string }> => request('POST', '/tokens', { name })
export const deleteToken = (id: string): Promise<void> => request('DELETE', `/tokens/${id}`)
