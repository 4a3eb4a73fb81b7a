// Weight limits, in gzip bytes. A build that passes one of them fails.
import { readFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'

const kilobyte = 1024
const limits = {
  loader: 5 * kilobyte,
  widgetApp: 30 * kilobyte,
  consoleSignIn: 90 * kilobyte,
  consoleInbox: 220 * kilobyte,
  consoleRoute: 80 * kilobyte,
}

/** Every file that is fetched for a manifest entry: its chunk, the chunks it imports statically, and their style sheets. */
function closure(manifest, key, files = new Set()) {
  const chunk = manifest[key]
  if (!chunk || files.has(chunk.file)) return files
  files.add(chunk.file)
  for (const sheet of chunk.css ?? []) files.add(sheet)
  for (const dependency of chunk.imports ?? []) closure(manifest, dependency, files)
  return files
}

export async function checkBudgets({ outDir, widgetManifest, consoleManifest }) {
  const sizeOf = async (file) => gzipSync(await readFile(`${outDir}/${file}`), { level: 9 }).length
  const sum = async (files) => {
    let total = 0
    for (const file of files) total += await sizeOf(file)
    return total
  }
  const rows = []
  if (widgetManifest) {
    rows.push(['widget loader', await sizeOf('widget.js'), limits.loader])
    rows.push(['widget app', await sum(closure(widgetManifest, 'widget/app/main.tsx')), limits.widgetApp])
  }
  if (consoleManifest) {
    const entry = Object.keys(consoleManifest).find((key) => consoleManifest[key].isEntry)
    const shell = closure(consoleManifest, entry)
    for (const [key, chunk] of Object.entries(consoleManifest)) {
      // Views are the routes; other lazy chunks (locales, charts) are counted where a view imports them.
      if (!chunk.isDynamicEntry || !key.endsWith('View.vue')) continue
      const files = new Set([...shell, ...closure(consoleManifest, key)])
      if (/SignIn/.test(key)) rows.push([`console ${key}`, await sum(files), limits.consoleSignIn])
      else if (/Inbox/.test(key)) rows.push([`console ${key}`, await sum(files), limits.consoleInbox])
      else rows.push([`console ${key} (added)`, await sum([...files].filter((f) => !shell.has(f))), limits.consoleRoute])
    }
    rows.push(['console shell', await sum(shell), limits.consoleSignIn])
  }
  let ok = true
  for (const [name, size, limit] of rows) {
    const within = size <= limit
    ok &&= within
    const kb = (n) => (n / kilobyte).toFixed(1).padStart(6)
    console.log(`${within ? 'ok  ' : 'OVER'} ${kb(size)} of ${kb(limit)} KB  ${name}`)
  }
  return ok
}
