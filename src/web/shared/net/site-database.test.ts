import { IDBFactory } from 'fake-indexeddb'
import { describe, expect, it } from 'vitest'
import type { OutboxRow } from './ports'
import { SiteDatabase } from './site-database'

const row = (local: string): OutboxRow => ({ local, dev: 'd', conv: 'c', type: 'text', body: { text: local }, created: 1 })

/** The fake lists a refused database as version 0; browsers do not. */
const stored = async (factory: IDBFactory) => (await factory.databases()).filter(({ version }) => version)

describe('SiteDatabase', () => {
  it('leaves no trace when it is only read', async () => {
    const factory = new IDBFactory()
    const database = new SiteDatabase('parley-pk', factory)
    expect(await database.load()).toEqual({ rows: [], lanes: [] })
    expect(await database.get('refresh')).toBeUndefined()
    await database.commit({ remove: ['x'] })
    expect(await database.exists()).toBe(false)
    expect(await stored(factory)).toEqual([])
  })

  it('keeps rows, lanes and values over a reload', async () => {
    const factory = new IDBFactory()
    const first = new SiteDatabase('parley-pk', factory)
    await first.commit({ put: [row('a'), row('b')], lanes: [{ dev: 'd', conv: 'c', lastN: 2, answeredN: 1 }] })
    await first.commit({ remove: ['a'] })
    await first.set('refresh', 'token')
    const second = new SiteDatabase('parley-pk', factory)
    expect(await second.load()).toEqual({ rows: [row('b')], lanes: [{ dev: 'd', conv: 'c', lastN: 2, answeredN: 1 }] })
    expect(await second.get('refresh')).toBe('token')
    await second.commit({ dropLanes: [['d', 'c']] })
    expect((await second.load()).lanes).toEqual([])
  })

  it('deletes everything', async () => {
    const factory = new IDBFactory()
    const database = new SiteDatabase('parley-pk', factory)
    await database.set('refresh', 'token')
    await database.clear()
    expect(await database.get('refresh')).toBeUndefined()
    expect(await stored(factory)).toEqual([])
    await database.set('refresh', 'again')
    expect(await new SiteDatabase('parley-pk', factory).get('refresh')).toBe('again')
  })

  it('works in memory where storage is denied', async () => {
    const denied = { open: () => { throw new DOMException('denied', 'SecurityError') } } as unknown as IDBFactory
    for (const factory of [undefined, denied]) {
      const database = new SiteDatabase('parley-pk', factory)
      await database.commit({ put: [row('a')] })
      await database.set('refresh', 'token')
      expect((await database.load()).rows).toEqual([row('a')])
      expect(await database.get('refresh')).toBe('token')
    }
  })
})
