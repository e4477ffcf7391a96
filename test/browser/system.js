// The running system: `xencrm demo` with authentication on, in a directory of its own, and the calls that an
// administrator's program makes to it. It judges nothing.
import { spawn } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(fileURLToPath(import.meta.url), '../../..')

// patience for a start: where no test has run before, the Temporal server is built first, some five minutes.
const patience = 15 * 60_000

// start brings the system up with these variables and resolves when its first campaign has ended.
export async function start(variables) {
  const dir = await mkdtemp(join(tmpdir(), 'xencrm-browser-'))
  await chmod(dir, 0o711) // the servers' unprivileged user passes through
  const demo = spawn(join(root, 'bin/xencrm'), ['demo'], {
    cwd: root,
    env: {
      ...process.env, XENCRM_DEV_DIR: join(dir, 'dev'), XENCRM_BIN_DIR: join(root, '.dev/bin'), XENCRM_AUTH: 'on',
      DEMO_CUSTOMERS: '40', DEMO_VENDOR_LATENCY: '0', ...variables,
    },
  })
  const system = new System(dir, demo)
  try {
    await system.ready()
  } catch (err) {
    await system.stop(true)
    throw err
  }
  return system
}

class System {
  constructor(dir, demo) {
    this.dir = dir
    this.demo = demo
    this.output = ''
    this.ended = new Promise((done) => demo.once('exit', done))
    for (const stream of [demo.stdout, demo.stderr]) stream.on('data', (text) => { this.output += text })
  }

  async ready() {
    await new Promise((done, fail) => {
      const limit = setTimeout(() => fail(new Error(`the demo is not ready:\n${this.output}`)), patience)
      const look = () => {
        if (!this.output.includes('Everything stays up')) return
        clearTimeout(limit)
        done()
      }
      this.demo.stdout.on('data', look)
      this.ended.then(() => fail(new Error(`the demo ended:\n${this.output}`)))
    })
    const env = await readFile(join(this.dir, 'dev/env'), 'utf8')
    const value = (name) => env.match(new RegExp(`^${name}=(.*)$`, 'm'))[1]
    this.url = value('XENCRM_URL')
    this.key = value('XENCRM_API_KEY')
  }

  // call asks as the administrator and gives the answer's body; it throws on a refusal.
  async call(path) {
    const response = await fetch(this.url + path, { headers: { Authorization: `Bearer ${this.key}` } })
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`)
    return response.json()
  }

  // holdings is what a page could have changed: the segments and campaigns that there are.
  async holdings() {
    const segments = await this.call('/api/segments')
    const campaigns = await this.call('/api/campaigns?limit=100')
    return {
      segments: segments.data.map((s) => `${s.segment_id} ${s.name} ${s.updated_at}`).sort(),
      campaigns: campaigns.data.map((c) => `${c.campaign_id} ${c.status}`).sort(),
    }
  }

  // stop ends the system; its state is kept where something went wrong.
  async stop(failed = false) {
    this.demo.kill('SIGTERM')
    await this.ended
    if (failed) console.error(`the system's logs are in ${this.dir}`)
    else await rm(this.dir, { recursive: true, force: true })
  }
}
