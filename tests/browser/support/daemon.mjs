// Starts, kills and stops a real daemon with a data folder of its own.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const top = fileURLToPath(new URL('../../..', import.meta.url))
const binary = process.env.PARLEY_BIN ?? join(top, 'build/dev/src/app/parley')
const webRoot = process.env.PARLEY_WEB_ROOT ?? join(top, 'src/web/dist')
const startTimeout = 20_000
/** PARLEY_TEST_STORE=standard gives every daemon a Redis and a PostgreSQL of its own. */
const standard = process.env.PARLEY_TEST_STORE === 'standard'
const run = promisify(execFile)

let lastPort = 10000 + Math.floor(Math.random() * 9000)

/** A port nobody listens on, below the range from which the kernel picks by itself. Fixed from then on, so that a restarted daemon is found at the same place. */
export async function freePort() {
  for (;;) {
    lastPort = lastPort < 19999 ? lastPort + 1 : 10000
    const probe = createServer()
    const isFree = await new Promise((resolve) => probe.once('error', () => resolve(false)).listen(lastPort, '127.0.0.1', () => resolve(true)))
    if (!isFree) continue
    await new Promise((resolve) => probe.close(resolve))
    return lastPort
  }
}

/** The servers of a standard store, and what the daemon has to be told about them. */
async function startBacking() {
  const child = spawn('/usr/bin/python3', ['-m', 'parley_test.backing'], { cwd: join(top, 'tests/support'), stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = await once(child.stdout, 'data')
  const { store, redis, postgres } = JSON.parse(line)
  const environment = { PARLEY_STORE__MODE: store.mode, PARLEY_REDIS__URL: redis.url, PARLEY_REDIS__PREFIX: redis.prefix, PARLEY_REDIS__LEASE: redis.lease, PARLEY_POSTGRES__URL: postgres.url }
  const stop = async () => {
    const ended = once(child, 'exit')
    child.stdin.end()
    await ended
  }
  return { environment, stop }
}

export class Daemon {
  #process
  #backing

  static async start() {
    const daemon = new Daemon()
    daemon.folder = mkdtempSync(join(tmpdir(), 'parley-browser-'))
    daemon.data = join(daemon.folder, 'data')
    daemon.logFile = join(daemon.folder, 'log')
    daemon.port = await freePort()
    daemon.opsPort = await freePort()
    if (standard) daemon.#backing = await startBacking()
    await daemon.start()
    return daemon
  }

  get url() {
    return `http://127.0.0.1:${this.port}`
  }

  /** Returns when it answers. Also after kill(), on the same ports and data. */
  async start() {
    const log = openSync(this.logFile, 'a')
    this.#process = spawn(
      binary,
      ['serve', '--data', this.data, '--port', String(this.port), '--ops-port', String(this.opsPort), '--web-root', webRoot],
      { stdio: ['ignore', log, log], env: { ...process.env, ...this.#backing?.environment } },
    )
    closeSync(log)
    const deadline = Date.now() + startTimeout
    for (;;) {
      if (this.#process.exitCode !== null || Date.now() > deadline) throw new Error(`the daemon did not start:\n${this.log()}`)
      try {
        if ((await fetch(`${this.url}/api/v1/setup`)).ok) return
      } catch {
        // Not listening yet.
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  log() {
    return readFileSync(this.logFile, 'utf8')
  }

  setupCode() {
    return readFileSync(join(this.data, 'setup-code'), 'utf8').trim()
  }

  /** A subcommand of the program against this daemon; its JSON answer. */
  async command(...words) {
    const { stdout } = await run(binary, [...words, '--data', this.data, '--json'])
    return JSON.parse(stdout)
  }

  async kill(signal = 'SIGKILL') {
    const child = this.#process
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await ended
  }

  async stop() {
    await this.kill('SIGTERM')
    await this.#backing?.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A daemon with the demo tenant, and the credentials of its owner. */
export async function startDemo() {
  const daemon = await Daemon.start()
  const { email, password, channel } = await daemon.command('demo')
  return { daemon, owner: { email, password }, key: channel.public_key }
}
