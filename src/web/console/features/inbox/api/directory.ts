/** Names that conversations only mention by id. */
import { request } from '../../../app/http'

export interface Colleague { id: string; display_name: string; disabled: boolean }
export interface Site { id: string; name: string }

export const fetchColleagues = async (): Promise<Colleague[]> => (await request<{ items: Colleague[] }>('GET', '/agents')).items
export const fetchSites = async (): Promise<Site[]> => (await request<{ items: Site[] }>('GET', '/channels')).items
