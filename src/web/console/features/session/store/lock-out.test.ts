import { describe, expect, it } from 'vitest'
import { ref } from 'vue'
import { useLockOut } from './lock-out'

describe('useLockOut', () => {
  it('counts down, opens by itself and remembers that it was closed', () => {
    const now = ref(1000)
    const lock = useLockOut(() => now.value)
    expect(lock.locked.value).toBe(false)
    expect(lock.wasLocked.value).toBe(false)
    lock.start(5000)
    now.value += 2000
    expect(lock.leftMs.value).toBe(3000)
    now.value += 3000
    expect(lock.locked.value).toBe(false)
    expect(lock.wasLocked.value).toBe(true)
  })
})
