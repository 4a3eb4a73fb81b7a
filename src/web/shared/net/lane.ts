import type { OutboxRow } from './ports'

/** An outbox row with what is known of it only while this page lives. */
export interface Pending extends OutboxRow {
  /** The id of its last send on the present socket; absent = not on this socket's wire. */
  wireId?: number | undefined
  /** Its n is in the store, so it may go on a wire. */
  durable: boolean
  /** It was put on a wire by an earlier page, or more than once: a refusal no longer proves that it was never stored. */
  maybeStored: boolean
  timedOut: boolean
  answerTimer?: unknown
}

/** The sends of one sender instance in one conversation: n counts without a gap, and answers come in that order. */
export class Lane {
  rows: Pending[] = []
  /** Timer that holds this lane back after "try again later". */
  pause: unknown

  constructor(readonly dev: string, readonly conv: string, public lastN = 0, public answeredN = 0) {}

  /** Sent or to be sent, and without an answer: with n first, in order of n, then those that have none. */
  unanswered(): Pending[] {
    return this.rows
      .filter((row) => !row.stored && !row.failure)
      .sort((a, b) => (a.n ?? Infinity) - (b.n ?? Infinity) || a.created - b.created)
  }

  byN(n: number): Pending | undefined {
    return this.rows.find((row) => row.n === n)
  }
}
