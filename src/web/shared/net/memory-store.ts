import type { LaneRow, OutboxChange, OutboxContent, OutboxRow, OutboxStore } from './ports'

/** The outbox of a page that may not store anything, and the model that the stored one is compared with. */
export class MemoryStore implements OutboxStore {
  private readonly rows = new Map<string, OutboxRow>()
  private readonly lanes = new Map<string, LaneRow>()

  load(): Promise<OutboxContent> {
    return Promise.resolve(structuredClone({ rows: [...this.rows.values()], lanes: [...this.lanes.values()] }))
  }

  commit({ put = [], remove = [], lanes = [], dropLanes = [] }: OutboxChange): Promise<void> {
    for (const row of put) this.rows.set(row.local, structuredClone(row))
    for (const local of remove) this.rows.delete(local)
    for (const lane of lanes) this.lanes.set(`${lane.dev}|${lane.conv}`, { ...lane })
    for (const [dev, conv] of dropLanes) this.lanes.delete(`${dev}|${conv}`)
    return Promise.resolve()
  }

  clear(): Promise<void> {
    this.rows.clear()
    this.lanes.clear()
    return Promise.resolve()
  }
}
