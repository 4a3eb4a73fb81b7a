import autoprefixer from 'autoprefixer'
import tailwind from 'tailwindcss'
import config from './tailwind.config.mjs'

/** How the style sheets of the console are made; used by the build and by the development server. */
export const consoleCss = { postcss: { plugins: [tailwind(config), autoprefixer()] } }
