import { LiveClient } from './live-client'
import type { ListWatch, NetClientApi, SendRequest, SendResult } from './api'
import type { AgentStatus, ConvId, Cursor, RowsFrame, ServerFrame } from './frames'
import { RequestFailed } from './requests'

/** The client with everything agents need besides: watched conversations, lists, actions and their own status. */
export class NetClient extends LiveClient implements NetClientApi {
  private readonly watched = new Map<ConvId, number>()
  private readonly lists = new Map<number, ListWatch>()

  act(conv: ConvId, request: SendRequest): Promise<SendResult> {
    if (this.state.phase !== 'live') {
      return Promise.resolve({ ok: false, error: { code: 'offline', message: '' } })
    }
    return new Promise((resolve) => this.outbox.add(conv, request, resolve))
  }

  watch(conv: ConvId): () => void {
    const count = (this.watched.get(conv) ?? 0) + 1
    this.watched.set(conv, count)
    if (count === 1) this.sendWatch(conv)
    let ended = false
    return () => {
      if (ended) return
      ended = true
      const left = (this.watched.get(conv) ?? 1) - 1
      if (left > 0) return void this.watched.set(conv, left)
      this.watched.delete(conv)
      this.connection.send({ t: 'unwatch', conv })
    }
  }

  watchList(watch: ListWatch): () => void {
    const id = ++this.ids
    this.lists.set(id, watch)
    this.sendListWatch(id, watch)
    return () => {
      if (this.lists.delete(id)) this.connection.send({ t: 'unwatch', watch: id })
    }
  }

  setStatus(value: AgentStatus): Promise<void> {
    const sent = this.connection.send({ t: 'status', value })
    return sent ? Promise.resolve() : Promise.reject(new RequestFailed('offline'))
  }

  protected override wanted(): ConvId[] {
    return [...super.wanted(), ...this.watched.keys()]
  }

  protected override subscribe(held: Record<ConvId, Cursor>): void {
    for (const conv of this.watched.keys()) {
      if (!held[conv]) this.sendWatch(conv)
    }
    for (const [id, watch] of this.lists) this.sendListWatch(id, watch)
  }

  protected override onFrame(frame: ServerFrame): void {
    if (frame.t === 'rows') this.onRows(frame)
    if (frame.t !== 'delta') return super.onFrame(frame)
    this.lists.get(frame.watch)?.onDelta(frame.upsert ?? [], frame.remove ?? [], frame.counts, frame.changed ?? false)
  }

  private onRows(frame: RowsFrame): void {
    const list = frame.re === undefined ? undefined : this.lists.get(frame.re)
    list?.onRows(frame.rows, frame.counts, frame.more ?? false)
  }

  private sendWatch(conv: ConvId): void {
    const cursor = this.logs.get(conv)?.cursor()
    this.connection.send({ t: 'watch', id: ++this.ids, conv, ...(cursor ? { epoch: cursor[0], seq: cursor[1] } : {}) })
  }

  private sendListWatch(id: number, { view, limit }: ListWatch): void {
    this.connection.send({ t: 'watch', view, id, ...(limit ? { limit } : {}) })
  }
}
