/** How many things want this person: shown at the inbox in the rail and in the window's title. */
import { useTitle } from '@vueuse/core'
import { computed, ref } from 'vue'
import { t } from './locales'

export const attention = ref(0)
export const pageTitle = ref('')

export function followTitle(): void {
  const name = computed(() => (pageTitle.value ? `${pageTitle.value} · ${t('app.name')}` : t('app.name')))
  useTitle(computed(() => (attention.value > 0 ? t('title.unread', { n: attention.value, title: name.value }) : name.value)))
}
