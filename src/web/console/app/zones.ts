/** Time zones the browser knows, by their IANA names. */
export const zoneOfBrowser = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC'

export function timeZones(): string[] {
  const known = typeof Intl.supportedValuesOf === 'function' ? Intl.supportedValuesOf('timeZone') : []
  return [...new Set([zoneOfBrowser(), 'UTC', ...known])].sort()
}
