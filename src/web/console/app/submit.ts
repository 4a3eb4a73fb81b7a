/** Sending a form: busy while it runs, and a refusal either at its field or in one sentence. */
import { reactive, ref } from 'vue'
import { refusalOf, refusalText } from './errors'
import { ApiError } from './http'
import { t } from './locales'

export function useSubmit<Field extends string>(fields: readonly Field[]) {
  const busy = ref(false)
  const problem = ref('')
  const problems = reactive({}) as Partial<Record<Field, string>>

  function clear(): void {
    problem.value = ''
    for (const field of fields) Reflect.deleteProperty(problems, field)
  }

  /** True when it went through. */
  async function run(send: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false
    clear()
    busy.value = true
    try {
      await send()
      return true
    } catch (error) {
      explain(error)
      return false
    } finally {
      busy.value = false
    }
  }

  function explain(error: unknown): void {
    const refusal = refusalOf(error)
    const field = error instanceof ApiError ? fields.find((name) => name === error.field) : undefined
    if (field) problems[field] = refusal.message ?? refusalText(refusal)
    else problem.value = refusalText(refusal) + (refusal.ref ? ` ${t('error.reference', { ref: refusal.ref })}` : '')
  }

  return { busy, problem, problems, run, clear }
}
