import { request } from '../../../app/http'
import type { AgentRole } from '../../../app/session'

export interface Person { id: string; display_name: string; email: string; role: AgentRole; disabled: boolean }
export interface NewPerson { email: string; display_name: string; role: AgentRole; password: string }
export type PersonChange = Partial<Pick<Person, 'display_name' | 'role' | 'disabled'> & { password: string }>

export const fetchPeople = async (): Promise<Person[]> => (await request<{ items: Person[] }>('GET', '/agents')).items
export const addPerson = (person: NewPerson): Promise<Person> => request('POST', '/agents', person)
export const changePerson = (id: string, change: PersonChange): Promise<Person> => request('PATCH', `/agents/${id}`, change)
