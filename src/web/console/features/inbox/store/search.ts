/** The search in all messages. What was found stays while the person looks at a conversation or another page. */
import type { Conversation } from '@shared/net'
import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'
import { ApiError } from '../../../app/http'
import { useLive } from '../../../app/live'
import { fetchHits, type Hit } from '../api/search'
import { grouped, isSearchable } from './hits'

const typingPauseMs = 250
/** A page may hold nothing and still not be the last; so many of them are asked for at once. */
const emptyPagesMax = 5

export const useSearch = defineStore('inbox-search', () => {
  const live = useLive()
  const query = ref('')
  const hits = shallowRef<readonly Hit[]>([])
  const conversations = shallowRef<ReadonlyMap<string, Conversation>>(new Map())
  const next = ref<string>()
  const lagSeconds = ref(0)
  const loading = ref(false)
  /** The first page of this query is there. */
  const answered = ref(false)
  const error = shallowRef<unknown>()
  let run = 0
  let pause: ReturnType<typeof setTimeout> | undefined

  const groups = computed(() => grouped(hits.value, conversations.value))
  const unavailable = computed(() => error.value instanceof ApiError && error.value.code === 'search_not_available')

  function clear(): void {
    run++
    hits.value = []
    conversations.value = new Map()
    next.value = error.value = undefined
    lagSeconds.value = 0
    loading.value = answered.value = false
  }

  /** Follows what is typed: asks after a pause, or at once. */
  function search(text: string, at: 'pause' | 'now' = 'pause'): void {
    const wanted = text.trim()
    clearTimeout(pause)
    if (wanted !== query.value) {
      clear()
      query.value = wanted
    }
    if (answered.value || loading.value || !isSearchable(wanted)) return
    if (at === 'now') void load()
    else pause = setTimeout(() => void load(), typingPauseMs)
  }

  async function load(): Promise<void> {
    const mine = ++run
    loading.value = true
    error.value = undefined
    try {
      for (let page = 0; page < emptyPagesMax; page++) {
        const found = await fetchHits(query.value, next.value)
        if (mine !== run) return
        hits.value = [...hits.value, ...found.items]
        conversations.value = new Map([...conversations.value, ...found.conversations.map((each): [string, Conversation] => [each.conv, each])])
        next.value = found.next
        lagSeconds.value = found.lag_s
        if (found.items.length > 0 || !found.next) break
      }
      answered.value = true
    } catch (problem) {
      if (mine === run) error.value = problem
    } finally {
      if (mine === run) loading.value = false
    }
  }

  function more(): void {
    if (next.value && !loading.value) void load()
  }

  // Another organisation: nothing of the old one may stay in sight.
  watch(() => live.client, () => {
    clear()
    query.value = ''
  })

  return { query, hits, groups, next, lagSeconds, loading, answered, error, unavailable, search, more, retry: load }
})
