/** Turns key presses into the names used by shortcuts: "j", "shift+e", "mod+k", "?", "g i". */

export interface KeyPress {
  key: string
  code: string
  keyCode: number
  isComposing: boolean
  ctrlKey: boolean
  metaKey: boolean
  altKey: boolean
  shiftKey: boolean
}

/** An input method is at work: this press belongs to it, whatever key it names. */
export const isComposing = (event: KeyPress): boolean => event.isComposing || event.keyCode === 229

/**
 * The name of a press, or '' when it can be no shortcut. A Latin layout decides by what the key types (so Dvorak works); any other
 * layout (Cyrillic, Hangul, Kana) by where the key is. Alt never takes part: it types characters in many layouts.
 */
export function nameOf(event: KeyPress): string {
  if (isComposing(event) || event.altKey) return ''
  const mod = event.ctrlKey || event.metaKey
  const key = latinKey(event)
  if (!key) return ''
  const isLetter = /^[a-z]$/.test(key)
  const shift = event.shiftKey && (isLetter || key.length > 1)
  return `${mod ? 'mod+' : ''}${shift ? 'shift+' : ''}${key}`
}

function latinKey(event: KeyPress): string {
  if (event.key.length > 1) return event.key.toLowerCase()
  if (/^[\x21-\x7e]$/.test(event.key)) return event.key.toLowerCase()
  return /^Key[A-Z]$/.test(event.code) ? event.code.slice(3).toLowerCase() : ''
}

/** Follows presses and answers with the shortcut that is complete. Knows sequences of two keys ("g i"). */
export class KeySequence {
  private first: { name: string; at: number } | undefined
  private readonly windowMs: number

  constructor(windowMs = 1200) {
    this.windowMs = windowMs
  }

  /** `known` are the shortcuts in force; the answer is one of them, or undefined. */
  press(name: string, now: number, known: ReadonlySet<string>): string | undefined {
    const waiting = this.first && now - this.first.at <= this.windowMs ? this.first.name : undefined
    this.first = undefined
    if (!name) return undefined
    if (waiting && known.has(`${waiting} ${name}`)) return `${waiting} ${name}`
    if (known.has(name)) return name
    for (const shortcut of known) {
      if (shortcut.startsWith(`${name} `)) {
        this.first = { name, at: now }
        break
      }
    }
    return undefined
  }
}
