/** Colour contrast as WCAG 2 defines it, and the repair of colours that tenants choose. */

export type Rgb = [red: number, green: number, blue: number]

/** #abc or #aabbcc; anything else is undefined. */
export function parseColor(text: string): Rgb | undefined {
  const hex = /^#([0-9a-f]{3}|[0-9a-f]{6})$/i.exec(text.trim())?.[1]
  if (!hex) return undefined
  const full = hex.length === 3 ? [...hex].map((digit) => digit + digit).join('') : hex
  return [0, 2, 4].map((at) => parseInt(full.slice(at, at + 2), 16)) as Rgb
}

export const formatColor = (rgb: Rgb): string =>
  `#${rgb.map((part) => Math.round(part).toString(16).padStart(2, '0')).join('')}`

function luminance(rgb: Rgb): number {
  const [r, g, b] = rgb.map((part) => {
    const share = part / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  }) as Rgb
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

export function contrast(a: Rgb, b: Rgb): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number]
  return (light + 0.05) / (dark + 0.05)
}

const black: Rgb = [0, 0, 0]
const white: Rgb = [255, 255, 255]
const mix = (from: Rgb, to: Rgb, share: number): Rgb => from.map((part, i) => part + ((to[i] ?? 0) - part) * share) as Rgb

/** The colour, darkened or lightened no more than needed until it stands out from `background` by `wanted`. */
export function repair(color: Rgb, background: Rgb, wanted = 4.5): Rgb {
  const goal = contrast(white, background) > contrast(black, background) ? white : black
  for (let step = 0; step <= 50; step++) {
    const candidate = mix(color, goal, step / 50).map(Math.round) as Rgb
    if (contrast(candidate, background) >= wanted) return candidate
  }
  return goal
}

export interface BrandColors {
  fill: string
  hover: string
  onFill: string
  text: string
  soft: string
}

/** Everything the interface needs of one brand colour, on a surface; each pair keeps 4.5:1. */
export function brandColors(color: string, dark: boolean): BrandColors | undefined {
  const base = parseColor(color)
  if (!base) return undefined
  const surface: Rgb = dark ? [0x15, 0x1a, 0x23] : white
  // The fill has to be seen against the surface (3:1), and its own text has to be read on it.
  const visible = repair(base, surface, 3)
  const onFill = contrast(white, visible) >= contrast(black, visible) || contrast(white, visible) >= 4.5 ? white : black
  const fill = repair(visible, onFill, 4.5)
  const hover = repair(mix(fill, onFill === white ? black : white, 0.12), onFill, 4.5)
  const soft = mix(surface, base, dark ? 0.2 : 0.1)
  const text = repair(repair(base, surface), soft.map(Math.round) as Rgb)
  return { fill: formatColor(fill), hover: formatColor(hover), onFill: formatColor(onFill), text: formatColor(text), soft: formatColor(soft) }
}
