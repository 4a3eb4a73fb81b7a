/** Refusals in words. The catalog knows the codes a person can meet; for any other the server's own sentence is shown. */
import { ApiError } from './http'
import { t } from './locales'

export interface Refusal { code: string; message?: string | undefined; ref?: string | undefined; by?: { name: string } | undefined }

const words: Record<string, () => string> = {
  network: () => t('error.network'),
  unexpected: () => t('error.unexpected'),
  forbidden: () => t('error.forbidden'),
  unauthenticated: () => t('error.unauthenticated'),
  csrf: () => t('error.csrf'),
  rate: () => t('error.rate'),
  busy: () => t('error.busy'),
  journal_down: () => t('error.busy'),
  journal_full: () => t('error.disk_full'),
  not_found: () => t('error.not_found'),
  unknown_conv: () => t('error.not_found'),
  bad_field: () => t('error.bad_field'),
  email_taken: () => t('error.email_taken'),
  last_owner: () => t('error.last_owner'),
  closed: () => t('error.closed'),
  too_large: () => t('error.too_large'),
  filtered: () => t('error.filtered'),
  timeout: () => t('error.timeout'),
  unverified: () => t('error.unverified'),
}

export function refusalOf(error: unknown): Refusal {
  if (error instanceof ApiError) return { code: error.code, message: error.detail, ref: error.ref }
  return { code: 'unexpected' }
}

export function refusalText(refusal: Refusal): string {
  if (refusal.code === 'claimed' && refusal.by) return t('error.claimed', { name: refusal.by.name })
  return words[refusal.code]?.() ?? refusal.message ?? t('error.unexpected')
}

export const errorText = (error: unknown): string => refusalText(refusalOf(error))
