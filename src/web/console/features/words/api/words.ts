import { request } from '../../../app/http'

export type WordAction = 'mask' | 'block' | 'flag'
export interface WordList { id: string; name: string; action: WordAction; words: string[]; updated_at: string }
export type WordListForm = Pick<WordList, 'name' | 'action' | 'words'>
export interface WordHit { word: string; start: number; end: number; list: string; action: WordAction }

export const fetchWordLists = async (): Promise<WordList[]> => (await request<{ items: WordList[] }>('GET', '/word-lists')).items
export const addWordList = (form: WordListForm): Promise<WordList> => request('POST', '/word-lists', form)
export const changeWordList = (id: string, form: WordListForm): Promise<WordList> => request('PUT', `/word-lists/${id}`, form)
export const deleteWordList = (id: string): Promise<void> => request('DELETE', `/word-lists/${id}`)
export const testWords = (text: string): Promise<{ text: string; hits: WordHit[] }> => request('POST', '/word-lists/test', { text })
