// @vitest-environment happy-dom
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ApiError } from '../../../app/http'
import type { HitPage } from '../api/search'

const fetchHits = vi.hoisted(() => vi.fn<(query: string, cursor: string | undefined) => Promise<HitPage>>())
vi.mock('../api/search', () => ({ fetchHits }))
vi.mock('../../../app/live', () => ({ useLive: () => ({ client: undefined }) }))
const { useSearch } = await import('./search')

const page = (seqs: number[], next?: string): HitPage => ({
  items: seqs.map((seq) => ({ conv: '1', seq, ts: 0, type: 'text', from: { k: 'v', id: '9' }, snippet: 'x', matches: [] })),
  conversations: seqs.length > 0 ? [{ conv: '1', epoch: 'e', head: 9, status: 'closed', claim: 0, assignee: null }] : [],
  lag_s: 0,
  ...(next ? { next } : {}),
})
const seqs = (search: ReturnType<typeof useSearch>) => search.hits.map(({ seq }) => seq)

beforeEach(() => {
  vi.useFakeTimers()
  setActivePinia(createPinia())
  fetchHits.mockReset()
})
afterEach(() => vi.useRealTimers())

describe('the search in all messages', () => {
  it('asks once, when typing pauses, and only for what can be found', async () => {
    fetchHits.mockResolvedValue(page([3]))
    const search = useSearch()
    for (const text of ['r', 're', 'ref', 'refund ']) search.search(text)
    await vi.runAllTimersAsync()
    expect(fetchHits.mock.calls).toEqual([['refund', undefined]])
    expect(seqs(search)).toEqual([3])
    search.search('refund')
    search.search('退')
    await vi.runAllTimersAsync()
    expect(fetchHits).toHaveBeenCalledTimes(1)
    expect(seqs(search)).toEqual([])
  })

  it('shows nothing of an older query that is answered late', async () => {
    let late: (found: HitPage) => void = () => undefined
    fetchHits.mockImplementationOnce(() => new Promise((resolve) => (late = resolve))).mockResolvedValueOnce(page([8]))
    const search = useSearch()
    search.search('first', 'now')
    search.search('second', 'now')
    await vi.runAllTimersAsync()
    late(page([1]))
    await vi.runAllTimersAsync()
    expect(seqs(search)).toEqual([8])
    expect(search.loading).toBe(false)
  })

  it('goes on behind what it has, and over pages without hits', async () => {
    fetchHits.mockResolvedValueOnce(page([5], 'a')).mockResolvedValueOnce(page([], 'b')).mockResolvedValueOnce(page([2]))
    const search = useSearch()
    search.search('refund', 'now')
    await vi.runAllTimersAsync()
    expect(search.next).toBe('a')
    search.more()
    await vi.runAllTimersAsync()
    expect(fetchHits.mock.calls.map(([, cursor]) => cursor)).toEqual([undefined, 'a', 'b'])
    expect(seqs(search)).toEqual([5, 2])
    expect(search.next).toBeUndefined()
  })

  it('keeps what it has when the next page fails, and tries that page again', async () => {
    fetchHits.mockResolvedValueOnce(page([5], 'a')).mockRejectedValueOnce(new ApiError({ status: 503, code: 'busy' })).mockResolvedValueOnce(page([4]))
    const search = useSearch()
    search.search('refund', 'now')
    await vi.runAllTimersAsync()
    search.more()
    await vi.runAllTimersAsync()
    expect(seqs(search)).toEqual([5])
    expect(search.error).toBeInstanceOf(ApiError)
    await search.retry()
    expect(seqs(search)).toEqual([5, 4])
    expect(search.error).toBeUndefined()
  })

  it('tells a server without an index from a failure', async () => {
    fetchHits.mockRejectedValueOnce(new ApiError({ status: 501, code: 'search_not_available' }))
    const search = useSearch()
    search.search('refund', 'now')
    await vi.runAllTimersAsync()
    expect(search.unavailable).toBe(true)
  })
})
