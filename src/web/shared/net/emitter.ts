/** Typed events. A listener that throws does not keep the others from being called. */
export class Emitter<Events extends object> {
  private readonly listeners = new Map<keyof Events, Set<(value: never) => void>>()

  on<K extends keyof Events>(event: K, fn: (value: Events[K]) => void): () => void {
    const set = this.listeners.get(event) ?? new Set()
    this.listeners.set(event, set)
    set.add(fn as (value: never) => void)
    return () => set.delete(fn as (value: never) => void)
  }

  emit<K extends keyof Events>(event: K, value: Events[K]): void {
    for (const fn of [...(this.listeners.get(event) ?? [])]) {
      try {
        ;(fn as (value: Events[K]) => void)(value)
      } catch (error) {
        console.error(error)
      }
    }
  }
}
