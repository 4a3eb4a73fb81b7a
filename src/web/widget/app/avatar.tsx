/** The first letter of a Latin name, the last character of a Chinese one: how people are told apart. */
function initial(name: string): string {
  const letters = [...name.trim()]
  const last = letters[letters.length - 1] ?? ''
  return /\p{Script=Han}/u.test(last) ? last : (letters[0] ?? '').toUpperCase()
}

export function Avatar({ name, presence }: { name: string; presence?: 'online' | 'away' | 'off' }) {
  return (
    <span class="avatar" aria-hidden="true">
      {initial(name)}
      {presence && <i class={`presence ${presence}`} />}
    </span>
  )
}
