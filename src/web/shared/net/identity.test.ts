import { describe, expect, it } from 'vitest'
import { TabIdentity } from './identity'
import { FakeLocks, tabStorage } from './testing/fixture'

const ids = () => {
  let count = 0
  return () => `id-${++count}`
}

describe('TabIdentity', () => {
  it('stores nothing before it is told to', async () => {
    const storage = tabStorage()
    const identity = new TabIdentity(new FakeLocks().page('a'), storage, ids())
    await identity.claim()
    expect(storage.getItem('parley-dev')).toBeNull()
    identity.keep()
    await identity.claim()
    expect(storage.getItem('parley-dev')).toBe('id-1')
  })

  it('comes back under its id after a reload', async () => {
    const [storage, locks, newId] = [tabStorage(), new FakeLocks(), ids()]
    const first = new TabIdentity(locks.page('a'), storage, newId)
    first.keep()
    const dev = await first.claim()
    await Promise.resolve()
    locks.kill('a')
    expect(await new TabIdentity(locks.page('b'), storage, newId).claim()).toBe(dev)
  })

  it('takes a new id in a duplicated tab', async () => {
    const [storage, locks, newId] = [tabStorage(), new FakeLocks(), ids()]
    const first = new TabIdentity(locks.page('a'), storage, newId)
    first.keep()
    const dev = await first.claim()
    await Promise.resolve()
    expect(await new TabIdentity(locks.page('b'), storage, newId).claim()).not.toBe(dev)
  })

  it('takes a new id with each page load where there are no locks', async () => {
    const [storage, newId] = [tabStorage(), ids()]
    const first = new TabIdentity(undefined, storage, newId)
    first.keep()
    expect(await first.claim()).toBe('id-1')
    expect(await new TabIdentity(undefined, storage, newId).claim()).toBe('id-2')
    expect(storage.getItem('parley-dev')).toBeNull()
  })
})
