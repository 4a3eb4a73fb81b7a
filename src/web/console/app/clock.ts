/** One ticking clock for every timer on the page, corrected by the server's. */
import { ref } from 'vue'

let correction: () => number = () => Date.now()
export const now = ref(Date.now())

/** From now on times are the server's. */
export function followServerClock(serverNow: () => number): void {
  correction = serverNow
  now.value = correction()
}

export function startClock(): () => void {
  const timer = setInterval(() => (now.value = correction()), 1000)
  return () => clearInterval(timer)
}
