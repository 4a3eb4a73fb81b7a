const isApple = typeof navigator !== 'undefined' && /Mac OS|iPhone|iPad/.test(navigator.userAgent)
const caps: Record<string, string> = { mod: isApple ? '⌘' : 'Ctrl', shift: isApple ? '⇧' : 'Shift', enter: 'Enter', escape: 'Esc' }

/** What stands on the keys of one press: "shift+e" → Shift, E. */
export const keyCaps = (press: string): string[] => press.split('+').map((key) => caps[key] ?? key.toUpperCase())
