/** Web addresses from which a widget may be opened. People paste whole addresses; only scheme, host and port count. */
export function originOf(text: string): string | undefined {
  const trimmed = text.trim()
  if (!trimmed) return undefined
  try {
    const url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed) ? trimmed : `https://${trimmed}`)
    return url.protocol === 'https:' || url.protocol === 'http:' ? url.origin : undefined
  } catch {
    return undefined
  }
}

/** One per line. `wrong` is the first line that is no address. */
export function parseOrigins(text: string): { origins: string[]; wrong: string | undefined } {
  const lines = text.split(/[\s,]+/).filter(Boolean)
  const origins = lines.map(originOf)
  const wrong = lines.find((_line, index) => origins[index] === undefined)
  return { origins: [...new Set(origins.filter((origin) => origin !== undefined))], wrong }
}
