/** Too many wrong passwords: nobody may try for a while, and the page counts the time down. */
import { computed, ref } from 'vue'

export function useLockOut(now: () => number) {
  const until = ref(0)
  const leftMs = computed(() => Math.max(0, until.value - now()))
  const locked = computed(() => leftMs.value > 0)
  const wasLocked = computed(() => until.value > 0 && !locked.value)
  const start = (ms: number): void => {
    until.value = now() + ms
  }
  return { leftMs, locked, wasLocked, start }
}
