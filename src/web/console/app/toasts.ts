/** Short notices in the corner. An error stays until it is closed; everything else goes by itself. */
import { shallowRef } from 'vue'

export interface Toast {
  id: number
  tone: 'success' | 'error' | 'info'
  text: string
  detail?: string | undefined
  action?: { label: string; run: () => void } | undefined
}

const shownAtOnce = 3
const successMs = 4000
const withActionMs = 8000
let lastId = 0

export const toasts = shallowRef<readonly Toast[]>([])

export function dismissToast(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id)
}

export function showToast(toast: Omit<Toast, 'id'>): number {
  const id = ++lastId
  toasts.value = [...toasts.value, { ...toast, id }].slice(-shownAtOnce)
  if (toast.tone !== 'error') setTimeout(() => dismissToast(id), toast.action ? withActionMs : successMs)
  return id
}
