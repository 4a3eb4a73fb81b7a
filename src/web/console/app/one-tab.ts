/** Of all tabs of this console one makes the sounds; the others stay silent. Without locks every tab does. */
let leads = !('locks' in navigator)
let asked = false

export function isLeadingTab(): boolean {
  return leads
}

/** Waits for its turn for as long as the page lives; the lock goes to the next tab when this one is closed. */
export function waitForLead(): void {
  if (asked || !('locks' in navigator)) return
  asked = true
  void navigator.locks.request('parley.console.sound', () => {
    leads = true
    return new Promise<never>(() => undefined)
  })
}
