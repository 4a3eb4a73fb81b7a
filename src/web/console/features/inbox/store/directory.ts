/** Colleagues and sites by id, loaded once and again when the organisation changes. */
import { defineStore } from 'pinia'
import { computed, shallowRef } from 'vue'
import { useLive } from '../../../app/live'
import { fetchColleagues, fetchSites, type Colleague, type Site } from '../api/directory'

export const useDirectory = defineStore('inbox-directory', () => {
  const live = useLive()
  const listed = shallowRef<Colleague[]>([])
  const sites = shallowRef<ReadonlyMap<string, Site>>(new Map())

  /** Failing leaves the page without some names, which is not worth an error: everything else works. */
  async function load(): Promise<void> {
    const [people, places] = await Promise.allSettled([fetchColleagues(), fetchSites()])
    if (people.status === 'fulfilled') listed.value = people.value.filter(({ disabled }) => !disabled)
    if (places.status === 'fulfilled') sites.value = new Map(places.value.map((site) => [site.id, site]))
  }

  /** Everybody a conversation can be given to, those who are there first. */
  const colleagues = computed(() => {
    const byId = new Map(listed.value.map(({ id, display_name }) => [id, { id, name: display_name, status: 'offline' as string }]))
    for (const { id, name, status } of live.agents.values()) byId.set(id, { id, name, status })
    const rank = ['online', 'busy', 'away', 'offline']
    return [...byId.values()].sort((a, b) => rank.indexOf(a.status) - rank.indexOf(b.status) || a.name.localeCompare(b.name))
  })
  const siteName = (id: string | undefined): string | undefined => (id ? sites.value.get(id)?.name : undefined)

  return { colleagues, siteName, load }
})
