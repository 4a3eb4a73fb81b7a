const firstDelay = 500
const capVisible = 5_000
const capHidden = 20_000

/** Full jitter: anywhere between now and a limit that doubles, so that a restart does not bring everybody back at once. */
export function retryDelay(attempt: number, visible: boolean, random: () => number): number {
  const cap = visible ? capVisible : capHidden
  return Math.floor(random() * Math.min(cap, firstDelay * 2 ** Math.min(attempt, 16)))
}
