// The vite configurations of everything that is shipped. Order matters: the loader must know the hashed name of the app.
import vue from '@vitejs/plugin-vue'
import { fileURLToPath } from 'node:url'
import { shortPrivateNames, usedTokensOnly } from './lean.mjs'
import { consoleCss } from '../console/styles/postcss.mjs'

export const root = fileURLToPath(new URL('..', import.meta.url))
export const outDir = `${root}dist`

const common = {
  configFile: false,
  root,
  logLevel: 'warn',
  resolve: { alias: { '@shared': `${root}shared` } },
}
/** Plain assignments instead of defined class fields: es2020 has none, and their helpers weigh a good deal. */
const lean = { legalComments: 'none', tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } } }
/** Slower than esbuild and about 4 % smaller, which only the widget needs. */
const smallest = { minify: 'terser', terserOptions: { ecma: 2020, compress: { passes: 5, unsafe_comps: true, unsafe_arrows: true, unsafe_methods: true }, format: { comments: false } } }
const output = {
  outDir,
  emptyOutDir: false,
  target: 'es2020',
  reportCompressedSize: false,
  modulePreload: { polyfill: false },
}
const hashed = {
  entryFileNames: 'assets/[name]-[hash].js',
  chunkFileNames: 'assets/[name]-[hash].js',
  assetFileNames: 'assets/[name]-[hash][extname]',
}

/** The part of the widget that is fetched when the panel is opened or about to be. */
export const widgetApp = () => ({
  ...common,
  plugins: [shortPrivateNames(), usedTokensOnly([`${root}widget/app/widget.css`])],
  esbuild: { ...lean, jsx: 'automatic', jsxImportSource: 'preact' },
  build: {
    ...output,
    ...smallest,
    manifest: '.widget-manifest.json',
    rollupOptions: {
      input: { widget: `${root}widget/app/main.tsx` },
      preserveEntrySignatures: 'exports-only',
      output: hashed,
    },
  },
})

/** dist/widget.js: the script a site embeds. A classic script, so that it can find its own tag and key. */
export const widgetLoader = (appFile, version) => ({
  ...common,
  plugins: [shortPrivateNames()],
  esbuild: lean,
  define: { __APP_FILE__: JSON.stringify(appFile), __VERSION__: JSON.stringify(version) },
  build: {
    ...output,
    ...smallest,
    copyPublicDir: false,
    lib: { entry: `${root}widget/loader/main.ts`, formats: ['iife'], name: 'parleyLoader', fileName: () => 'widget.js' },
  },
})

/** The full-page chat and the demo shop. */
export const pages = () => ({
  ...common,
  root: `${root}demo`,
  build: {
    ...output,
    rollupOptions: { input: [`${root}demo/chat.html`, `${root}demo/demo.html`], output: hashed },
  },
})

export const consoleApp = () => ({
  ...common,
  plugins: [vue()],
  css: consoleCss,
  define: {
    __VUE_OPTIONS_API__: 'false',
    __VUE_PROD_DEVTOOLS__: 'false',
    __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false',
    __VUE_I18N_FULL_INSTALL__: 'false',
    __VUE_I18N_LEGACY_API__: 'false',
    __INTLIFY_PROD_DEVTOOLS__: 'false',
    __INTLIFY_DROP_MESSAGE_COMPILER__: 'false',
    __INTLIFY_JIT_COMPILATION__: 'true',
  },
  build: {
    ...output,
    cssCodeSplit: true,
    manifest: '.console-manifest.json',
    rollupOptions: { input: { console: `${root}console/index.html` }, output: hashed },
  },
})
