import { SignInRefused, type AccessToken, type StopReason } from '@shared/net/api'
import type { SiteDatabase } from '@shared/net/site-database'

interface SessionAnswer { visitor: string; token: string; expires_in: number; refresh: string }

const refreshKey = 'refresh'
/** A token this close to its end is not worth a connection. */
const spareMs = 30_000
const finalReasons: Record<string, StopReason> = {
  origin_not_allowed: 'origin',
  tenant_disabled: 'tenant_disabled',
  unknown_key: 'auth',
  banned: 'banned',
}

/** Who this visitor is. The right to come back as the same person is stored only after the first message. */
export class VisitorSession {
  private token: { value: string; endsAt: number } | undefined
  private refresh: string | undefined
  private mayStore = false

  constructor(private readonly base: string, private readonly key: string, private readonly database: SiteDatabase) {}

  get = async (fresh: boolean): Promise<AccessToken> => {
    if (!fresh && this.token && this.token.endsAt - spareMs > Date.now()) {
      return { token: this.token.value, expiresInMs: this.token.endsAt - Date.now() }
    }
    const stored = await this.database.get<string>(refreshKey)
    if (stored) this.mayStore = true
    return this.request(stored ?? this.refresh)
  }

  /** The visitor has written: from now on a reload finds him again. */
  keep(): void {
    if (this.mayStore) return
    this.mayStore = true
    if (this.refresh) void this.database.set(refreshKey, this.refresh)
  }

  forget(): void {
    this.token = undefined
    this.refresh = undefined
    this.mayStore = false
  }

  private async request(refresh: string | undefined): Promise<AccessToken> {
    const answer = await fetch(`${this.base}/api/v1/widget/session`, {
      method: 'POST',
      credentials: 'omit',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ key: this.key, ...(refresh ? { refresh } : {}) }),
    })
    if (answer.ok) return this.accept((await answer.json()) as SessionAnswer)
    const code = await problemCode(answer)
    if (answer.status === 401 && refresh) {
      // Another tab may have used it a moment ago and have stored its successor.
      const stored = await this.database.get<string>(refreshKey)
      return this.request(stored !== refresh ? stored : undefined)
    }
    const reason = finalReasons[code]
    if (reason) throw new SignInRefused(reason)
    throw new Error(`session ${answer.status}`)
  }

  private async accept({ token, expires_in, refresh }: SessionAnswer): Promise<AccessToken> {
    this.token = { value: token, endsAt: Date.now() + expires_in * 1_000 }
    this.refresh = refresh
    if (this.mayStore) await this.database.set(refreshKey, refresh)
    return { token, expiresInMs: expires_in * 1_000 }
  }
}

async function problemCode(answer: Response): Promise<string> {
  try {
    return ((await answer.json()) as { code?: string }).code ?? ''
  } catch {
    return ''
  }
}
