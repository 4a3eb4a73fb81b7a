/** What the page of the first run asks for, and what it refuses before asking the server. */
import type { SetupForm } from '../../../app/session'

export const passwordLengthMin = 10
export type SetupProblem = 'required' | 'email_wrong' | 'password_short'

export function checkSetup(form: SetupForm): Partial<Record<keyof SetupForm, SetupProblem>> {
  const problems: Partial<Record<keyof SetupForm, SetupProblem>> = {}
  for (const field of ['code', 'display_name', 'email', 'password', 'organisation'] as const) {
    if (form[field].trim() === '') problems[field] = 'required'
  }
  if (!problems.email && !/^\S+@\S+$/.test(form.email.trim())) problems.email = 'email_wrong'
  if (!problems.password && [...form.password].length < passwordLengthMin) problems.password = 'password_short'
  return problems
}
