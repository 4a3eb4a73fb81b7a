/** Requests to the daemon's REST interface. A refusal becomes an ApiError, which errorText() turns into words. */

export interface Problem {
  status: number
  code: string
  detail?: string
  field?: string
  after_ms?: number
  ref?: string
}

export class ApiError extends Error {
  readonly status: number
  readonly code: string
  readonly field: string | undefined
  readonly afterMs: number | undefined
  readonly ref: string | undefined
  readonly detail: string | undefined

  constructor(problem: Problem) {
    super(problem.detail ?? problem.code)
    this.status = problem.status
    this.code = problem.code
    this.detail = problem.detail
    this.field = problem.field
    this.afterMs = problem.after_ms
    this.ref = problem.ref
  }
}

let onSessionLost: () => void = () => undefined
/** Called when a request that needs a session is refused because there is none. */
export function whenSessionLost(run: () => void): void {
  onSessionLost = run
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export async function request<Answer>(method: Method, path: string, body?: unknown): Promise<Answer> {
  const headers: Record<string, string> = { Accept: 'application/json' }
  if (method !== 'GET') {
    headers['Content-Type'] = 'application/json'
    headers['X-Parley-CSRF'] = '1'
  }
  let response: Response
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      headers,
      credentials: 'same-origin',
      ...(method === 'GET' ? {} : { body: JSON.stringify(body ?? {}) }),
    })
  } catch {
    throw new ApiError({ status: 0, code: 'network' })
  }
  if (response.ok) return (response.status === 204 ? undefined : await response.json()) as Answer
  const problem = await problemOf(response)
  if (problem.code === 'unauthenticated') onSessionLost()
  throw new ApiError(problem)
}

async function problemOf(response: Response): Promise<Problem> {
  const fallback: Problem = { status: response.status, code: response.status >= 500 ? 'unexpected' : 'refused' }
  try {
    const said = (await response.json()) as Partial<Problem>
    return { ...fallback, ...said }
  } catch {
    return fallback
  }
}
