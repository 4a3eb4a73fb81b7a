// Writes .br and .gz beside every text file, so that the daemon sends compressed bytes without compressing anything itself.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

const brotli = promisify(brotliCompress)
const gz = promisify(gzip)
const compressible = /\.(js|css|html|json|svg|txt|webmanifest)$/
const smallestWorthwhile = 256

export async function compressTree(folder) {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) await compressTree(path)
    else if (compressible.test(entry.name)) await compressFile(path)
  }
}

async function compressFile(path) {
  const bytes = await readFile(path)
  if (bytes.length < smallestWorthwhile) return
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length }
  await writeFile(`${path}.br`, await brotli(bytes, { params }))
  await writeFile(`${path}.gz`, await gz(bytes, { level: 9 }))
}
