import type { ConvId, Sender, TypingFrame } from './frames'
import type { Clock, Timer } from './ports'

const expiry = 6_000
const repeatEvery = 3_000

/** Who types where. A sign lives six seconds; whoever goes on typing repeats it. */
export class Typing {
  private readonly others = new Map<ConvId, Map<string, { who: Sender; timer: Timer }>>()
  private readonly own = new Map<ConvId, number>()

  constructor(
    private readonly clock: Clock,
    private readonly send: (conv: ConvId, on: boolean) => boolean,
    private readonly changed: (conv: ConvId) => void,
  ) {}

  in(conv: ConvId): Sender[] {
    return [...(this.others.get(conv)?.values() ?? [])].map(({ who }) => who)
  }

  input(conv: ConvId, on: boolean): void {
    const told = this.own.get(conv)
    if (!on) {
      this.own.delete(conv)
      if (told !== undefined && this.clock.now() - told < expiry) this.send(conv, false)
    } else if (told === undefined || this.clock.now() - told >= repeatEvery) {
      if (this.send(conv, true)) this.own.set(conv, this.clock.now())
    }
  }

  onFrame(frame: TypingFrame): void {
    if (!frame.on) return this.ended(frame.conv, frame.from)
    const people = this.others.get(frame.conv) ?? new Map<string, { who: Sender; timer: Timer }>()
    this.others.set(frame.conv, people)
    this.clock.cancel(people.get(idOf(frame.from))?.timer)
    const timer = this.clock.after(expiry, () => this.ended(frame.conv, frame.from))
    people.set(idOf(frame.from), { who: frame.from, timer })
    this.changed(frame.conv)
  }

  /** Stopped, or the message itself arrived. */
  ended(conv: ConvId, who: Sender): void {
    const people = this.others.get(conv)
    this.clock.cancel(people?.get(idOf(who))?.timer)
    if (people?.delete(idOf(who))) this.changed(conv)
  }

  clear(): void {
    for (const [conv, people] of this.others) {
      for (const { timer } of people.values()) this.clock.cancel(timer)
      people.clear()
      this.changed(conv)
    }
    this.own.clear()
  }
}

const idOf = (who: Sender) => `${who.k}:${who.id}`
