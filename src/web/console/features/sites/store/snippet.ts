/** What a site owner copies: the script tag, and what a strict page must allow for it. */

const attribute = (value: string): string => value.replace(/[&"<>]/g, (sign) => `&#${sign.charCodeAt(0)};`)

export const snippetOf = (host: string, key: string): string =>
  `<script async src="${attribute(host)}/widget.js" data-key="${attribute(key)}"></script>`

export function policyOf(host: string): string {
  const socket = host.replace(/^http/, 'ws')
  return [`script-src ${host}`, `connect-src ${host} ${socket}`, `img-src ${host} data: blob:`].join('; ')
}
