/** What a person can do here and now: the source of shortcuts, of the command palette and of the list of shortcuts. */
import { computed, onBeforeUnmount, shallowReactive, toValue, type MaybeRefOrGetter } from 'vue'
import { KeySequence, nameOf } from './keys'

export interface Action {
  id: string
  label: string
  group: 'here' | 'go' | 'general'
  /** Names as in keys.ts; the first one is shown. */
  keys?: string[]
  /** Also in force while a text field has the focus. */
  inFields?: boolean
  /** Listed with the shortcuts, but not offered in the palette, because it makes sense only as a key press. */
  keyOnly?: boolean
  disabled?: boolean
  run: () => void
}

const sources = shallowReactive(new Set<MaybeRefOrGetter<Action[]>>())

/** Later sources come first: what belongs to the open view wins over the shell. */
export const allActions = computed(() => [...sources].reverse().flatMap((source) => toValue(source)))

/** Offers these actions while the component lives. */
export function useActions(actions: MaybeRefOrGetter<Action[]>): void {
  sources.add(actions)
  onBeforeUnmount(() => sources.delete(actions))
}

const textField = 'input:not([type="checkbox"], [type="radio"], [type="button"]), textarea, select, [contenteditable="true"]'
const layer = '[role="dialog"], [role="alertdialog"], [role="menu"], [role="listbox"][data-state="open"]'

/** Single keys act only on the page itself: not while typing, and not under an open dialog or menu. */
function inForce(target: Element | null): Map<string, Action> {
  const inField = target?.closest(textField) != null
  const covered = document.querySelector(layer) !== null
  const found = new Map<string, Action>()
  for (const action of allActions.value) {
    if (action.disabled || ((inField || covered) && !action.inFields)) continue
    for (const key of action.keys ?? []) if (!found.has(key)) found.set(key, action)
  }
  return found
}

export function listenForShortcuts(): () => void {
  const sequence = new KeySequence()
  const onKey = (event: KeyboardEvent): void => {
    if (event.defaultPrevented) return
    const target = event.target instanceof Element ? event.target : null
    // Enter and Space belong to the control that has the focus.
    if ((event.key === 'Enter' || event.key === ' ') && target?.closest('button, a, [role="menuitem"], [role="option"], summary')) return
    const actions = inForce(target)
    const shortcut = sequence.press(nameOf(event), event.timeStamp, new Set(actions.keys()))
    if (shortcut === undefined) return
    event.preventDefault()
    actions.get(shortcut)?.run()
  }
  document.addEventListener('keydown', onKey)
  return () => document.removeEventListener('keydown', onKey)
}
