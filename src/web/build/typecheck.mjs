// Checks the types of both front ends. Each has its own project, because their JSX types differ.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const projects = [['typescript/bin/tsc', 'tsconfig.json']]
if (existsSync(`${root}console/index.html`)) projects.push(['vue-tsc/bin/vue-tsc.js', 'tsconfig.console.json'])

let failed = false
for (const [program, project] of projects) {
  const args = [`${root}node_modules/${program}`, '--noEmit', '-p', project]
  failed = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status !== 0 || failed
}
process.exit(failed ? 1 : 0)
