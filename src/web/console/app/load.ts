/** Data of a page: loading, there, or failed with a reason. */
import { ref, shallowRef, type Ref, type ShallowRef } from 'vue'

export interface Loaded<Data> { data: ShallowRef<Data | undefined>; error: ShallowRef<unknown>; loading: Ref<boolean>; reload: () => Promise<void> }

export function useLoad<Data>(fetchData: () => Promise<Data>): Loaded<Data> {
  const data = shallowRef<Data>()
  const error = shallowRef<unknown>()
  const loading = ref(false)
  async function reload(): Promise<void> {
    loading.value = true
    error.value = undefined
    try {
      data.value = await fetchData()
    } catch (problem) {
      error.value = problem
    } finally {
      loading.value = false
    }
  }
  void reload()
  return { data, error, loading, reload }
}
