/** A site while it is being edited: every field has a value, and the addresses are one text. */
import type { Site, SiteForm, SiteSettings } from '../api/sites'
import { parseOrigins } from './origins'

export interface SiteDraft {
  name: string
  origins: string
  enabled: boolean
  locale: 'zh-CN' | 'en'
  position: 'right' | 'left'
  color: string
  greeting: string
  launcher_text: string
  privacy_url: string
}

const brand = '#2B55D9'

export function draftOf(site: Site | undefined, locale: 'zh-CN' | 'en'): SiteDraft {
  const settings = site?.settings ?? {}
  return {
    name: site?.name ?? '',
    origins: (site?.allowed_origins ?? []).join('\n'),
    enabled: settings.enabled ?? true,
    locale: settings.locale ?? locale,
    position: settings.position ?? 'right',
    color: settings.color ?? brand,
    greeting: settings.greeting ?? '',
    launcher_text: settings.launcher_text ?? '',
    privacy_url: settings.privacy_url ?? '',
  }
}

export interface DraftProblems { name?: 'required'; origins?: { wrong: string } }

export function checkDraft(draft: SiteDraft): DraftProblems {
  const { wrong } = parseOrigins(draft.origins)
  return { ...(draft.name.trim() ? {} : { name: 'required' as const }), ...(wrong ? { origins: { wrong } } : {}) }
}

export function formOf(draft: SiteDraft): SiteForm {
  const { name, origins, color, ...rest } = draft
  const settings: SiteSettings = { ...rest, color: color.toUpperCase(), greeting: rest.greeting.trim(), launcher_text: rest.launcher_text.trim(), privacy_url: rest.privacy_url.trim() }
  return { name: name.trim(), allowed_origins: parseOrigins(origins).origins, settings }
}
