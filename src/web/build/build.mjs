// Builds dist/: widget.js, assets/*, chat.html, demo.html and console/index.html, each with .br and .gz beside it.
// Usage: node build/build.mjs [widget|console]; without an argument everything.
import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { build } from 'vite'
import { checkBudgets } from './budgets.mjs'
import { compressTree } from './compress.mjs'
import { consoleApp, outDir, pages, root, widgetApp, widgetLoader } from './targets.mjs'

const readJson = async (path) => JSON.parse(await readFile(path, 'utf8'))

const only = process.argv[2]
const wants = (part) => only === undefined || only === part

if (only === undefined) await rm(outDir, { recursive: true, force: true })

let widgetManifest
let consoleManifest
if (wants('widget')) {
  const { version } = await readJson(`${root}package.json`)
  await build(widgetApp())
  widgetManifest = await readJson(`${outDir}/.widget-manifest.json`)
  await build(widgetLoader(widgetManifest['widget/app/main.tsx'].file, version))
  await build(pages())
}
if (wants('console') && existsSync(`${root}console/index.html`)) {
  await build(consoleApp())
  consoleManifest = await readJson(`${outDir}/.console-manifest.json`)
}

const ok = await checkBudgets({ outDir, widgetManifest, consoleManifest })
await rm(`${outDir}/.widget-manifest.json`, { force: true })
await rm(`${outDir}/.console-manifest.json`, { force: true })
await compressTree(outDir)
process.exit(ok ? 0 : 1)
