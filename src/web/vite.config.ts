import vue from '@vitejs/plugin-vue'
import { fileURLToPath } from 'node:url'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'
import { consoleCss } from './console/styles/postcss.mjs'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const daemon = process.env.PARLEY_DAEMON ?? 'http://127.0.0.1:8080'

/** The console is a single page application: every address below /console/ shows the same document. */
function consoleFallback(): Plugin {
  return {
    name: 'parley-console-fallback',
    configureServer(server) {
      server.middlewares.use((request, _response, next) => {
        const wantsPage = request.headers.accept?.includes('text/html') ?? false
        if (wantsPage && request.url?.startsWith('/console')) request.url = '/console/index.html'
        next()
      })
    },
  }
}

/** Development server and tests. What is shipped is made by build/build.mjs. */
export default defineConfig({
  root: here('./'),
  plugins: [vue(), consoleFallback()],
  css: consoleCss,
  resolve: { alias: { '@shared': here('./shared') } },
  server: {
    proxy: {
      '/api': { target: daemon },
      '/ws': { target: daemon, ws: true },
    },
  },
  test: {
    include: ['{shared,widget,tokens,console}/**/*.test.ts', '{widget,console}/**/*.test.tsx'],
    environment: 'node',
  },
})
