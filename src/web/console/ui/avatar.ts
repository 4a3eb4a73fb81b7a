/** One or two letters for a person without a picture. CJK names are known by their last character, Latin ones by initials. */
export function initialsOf(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean)
  const last = words.at(-1) ?? ''
  // "Visitor 2000" shows the end of its number, which tells visitors apart.
  if (words.length > 1 && /^\d\d+$/.test(last)) return last.slice(-2)
  if (/[\u2e80-\u9fff\uac00-\ud7af]/.test(name)) return [...last].at(-1) ?? '?'
  const first = [...(words[0] ?? '?')][0] ?? '?'
  const second = words.length > 1 ? ([...last][0] ?? '') : ''
  return (first + second).toUpperCase()
}

/** A colour from 1 to 6 that stays with the person. */
export function hueOf(id: string): number {
  let sum = 0
  for (const character of id) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) >>> 0
  return (sum % 6) + 1
}
