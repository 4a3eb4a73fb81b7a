import { request } from '../../../app/http'

export interface SiteSettings {
  color?: string
  position?: 'right' | 'left'
  locale?: 'zh-CN' | 'en'
  greeting?: string
  launcher_text?: string
  privacy_url?: string
  enabled?: boolean
}
export interface Site { id: string; name: string; kind: string; public_key: string; allowed_origins: string[]; settings: SiteSettings }
export interface SiteForm { name: string; allowed_origins: string[]; settings: SiteSettings }

export const fetchSites = async (): Promise<Site[]> => (await request<{ items: Site[] }>('GET', '/channels')).items
export const addSite = (form: SiteForm): Promise<Site> => request('POST', '/channels', form)
export const changeSite = (id: string, form: Partial<SiteForm>): Promise<Site> => request('PATCH', `/channels/${id}`, form)

/** Is there any conversation yet? Asked once; from then on the live connection tells. */
export const hasConversation = async (): Promise<boolean> =>
  (await request<{ items: unknown[] }>('GET', '/conversations?view=open&limit=1')).items.length > 0
