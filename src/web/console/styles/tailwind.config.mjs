import { fileURLToPath } from 'node:url'
import plugin from 'tailwindcss/plugin.js'

const consoleFolder = fileURLToPath(new URL('..', import.meta.url))
const token = (name) => `var(--${name})`

/** Utilities that speak in tokens only: a colour, size or radius outside the visual language has no class. */
export default {
  content: [`${consoleFolder}{app,ui,features}/**/*.{vue,ts}`],
  darkMode: ['selector', '[data-theme="dark"]'],
  plugins: [plugin(({ addVariant }) => addVariant('pointer-coarse', '@media (pointer: coarse)'))],
  theme: {
    screens: { md: '768px', lg: '1024px', xl: '1280px' },
    colors: {
      transparent: 'transparent',
      current: 'currentColor',
      canvas: token('canvas'), surface: token('surface'), sunken: token('sunken'), hover: token('hover'), line: token('line'),
      control: token('control-border'),
      ink: { DEFAULT: token('text'), 2: token('text-2'), 3: token('text-3') },
      brand: { DEFAULT: token('brand'), hover: token('brand-hover'), on: token('on-brand'), text: token('brand-text'), soft: token('brand-soft') },
      success: { DEFAULT: token('success'), soft: token('success-soft') },
      warning: { DEFAULT: token('warning'), soft: token('warning-soft') },
      danger: { DEFAULT: token('danger'), soft: token('danger-soft') },
      info: { DEFAULT: token('info'), soft: token('info-soft') },
      note: { DEFAULT: token('note'), text: token('note-text') },
      badge: { DEFAULT: token('badge'), on: token('on-badge') },
      presence: { online: token('presence-online'), away: token('presence-away'), off: token('presence-off') },
    },
    fontFamily: { sans: token('font'), mono: token('font-mono') },
    fontSize: {
      // In rem, so that the reader's own font size counts.
      12: ['.75rem', '1rem'], 13: ['.8125rem', '1.125rem'], 14: ['.875rem', '1.25rem'], 15: ['.9375rem', '1.375rem'],
      16: ['1rem', '1.5rem'], 20: ['1.25rem', '1.75rem'], 28: ['1.75rem', '2.25rem'],
    },
    fontWeight: { normal: '400', medium: '500', semibold: '600' },
    borderRadius: { none: '0', tag: '4px', control: '8px', card: '12px', panel: '16px', full: '9999px' },
    boxShadow: { none: 'none', 1: token('shadow-1'), 2: token('shadow-2'), 3: token('shadow-3') },
    transitionDuration: { control: '120ms', panel: '180ms' },
    transitionTimingFunction: { DEFAULT: 'cubic-bezier(.2,0,0,1)' },
  },
}
