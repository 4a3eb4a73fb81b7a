import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { contrast, parseColor, type Rgb } from '../shared/color/contrast'

const css = readFileSync(new URL('./tokens.css', import.meta.url), 'utf8')

function tokensOf(selector: string): Map<string, Rgb> {
  const body = css.slice(css.indexOf(`${selector} {`)).split('}')[0] ?? ''
  const found = new Map<string, Rgb>()
  for (const [, name, value] of body.matchAll(/--([\w-]+):\s*(#[0-9A-F]{6});/g)) found.set(name ?? '', parseColor(value ?? '') as Rgb)
  return found
}

const themes = { light: tokensOf('.parley-tokens'), dark: tokensOf('[data-theme="dark"]') }

/** foreground, background, least contrast: 4.5 for text, 3 for controls and shapes. */
const pairs: [string, string, number][] = [
  ...['text', 'text-2', 'text-3', 'brand-text', 'success', 'warning', 'danger', 'info'].map((name): [string, string, number] => [name, 'surface', 4.5]),
  ...['text', 'text-2'].flatMap((name): [string, string, number][] => [[name, 'canvas', 4.5], [name, 'sunken', 4.5], [name, 'hover', 4.5]]),
  ['text-3', 'canvas', 4.5],
  ['on-brand', 'brand', 4.5],
  ['on-brand', 'brand-hover', 4.5],
  ['brand-text', 'brand-soft', 4.5],
  ...['success', 'warning', 'danger', 'info'].map((name): [string, string, number] => [name, `${name}-soft`, 4.5]),
  ['note-text', 'note', 4.5],
  ['on-badge', 'badge', 4.5],
  ['control-border', 'surface', 3],
  ...['online', 'away', 'off'].map((name): [string, string, number] => [`presence-${name}`, 'surface', 3]),
  ...[1, 2, 3, 4, 5, 6].map((n): [string, string, number] => [`chart-${n}`, 'surface', 4.5]),
]

describe.each(Object.entries(themes))('%s tokens', (_name, tokens) => {
  it.each(pairs)('%s on %s has at least %d:1', (front, back, least) => {
    const [a, b] = [tokens.get(front), tokens.get(back)]
    if (!a || !b) throw new Error(`missing token: ${a ? back : front}`)
    expect(contrast(a, b)).toBeGreaterThanOrEqual(least)
  })
})

it('has every colour in both themes', () => {
  expect([...themes.dark.keys()].sort()).toEqual([...themes.light.keys()].sort())
})
