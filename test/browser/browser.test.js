// A real browser against the running system: a page of an origin on the list works as the existing frontend does, a page
// of another origin is refused by the browser and by the API, and people sign in and out at an issuer.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { chromium } from 'playwright-core'
import * as nextauth from './nextauth.js'
import { client, issuer, origin } from './servers.js'
import { start } from './system.js'

const marketer = { sub: '1001', name: 'Asha Rao', email: 'asha@shop.example' }
const guest = { sub: '1002', name: 'Ravi Nair', email: 'ravi@elsewhere.example' }

let system, browser, listed, unlisted, otherSite, google
const opened = []
let failed = false

before(async () => {
  [listed, unlisted, otherSite, google] = await Promise.all([
    origin(), origin(), origin('localhost'), issuer({ ...marketer, email_verified: true }),
  ])
  opened.push(listed, unlisted, otherSite, google)
  system = await start({
    XENCRM_ALLOWED_ORIGINS: listed.url, NEXTAUTH_SECRET: nextauth.secret, XENCRM_EDITORS: '@shop.example',
    XENCRM_OIDC_ISSUER: google.url, XENCRM_OIDC_CLIENT_ID: client.id, XENCRM_OIDC_CLIENT_SECRET: client.secret,
  })
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // Chromium's sandbox does not start for root, who runs this in containers; it shows our own pages only.
    chromiumSandbox: process.getuid() !== 0,
  })
}, { timeout: 20 * 60_000 })

after(async () => {
  await browser?.close()
  await system?.stop(failed)
  opened.forEach((server) => server.close())
})

// visit opens a page of an origin in a browser of its own, with the frontend's session of a person if one is given.
async function visit(server, person) {
  const context = await browser.newContext()
  if (person) await context.addCookies([nextauth.cookie(person, '127.0.0.1')])
  const page = await context.newPage()
  await page.goto(server.url)
  return { context, page }
}

// run calls one of frontend.js's functions in the page.
function run(page, name, ...args) {
  return page.evaluate(async ([name, args]) => (await import('/frontend.js'))[name](...args), [name, args])
}

// statusOf is the status that the API answers to what an action asks for, which the page itself may not get to see.
async function statusOf(page, path, action) {
  const answered = page.waitForResponse((r) => r.url() === system.url + path && r.request().method() !== 'OPTIONS')
  await action()
  return (await answered).status()
}

// check is a test that remembers whether one has failed: what the system wrote is kept then.
function check(name, body) {
  const limit = 60_000 // the longest, a campaign, takes some seconds
  it(name, { timeout: limit }, async () => {
    try {
      await body()
    } catch (err) {
      failed = true
      throw err
    }
  })
}

describe('a page of an origin on the list', () => {
  check('goes through the frontend\'s pages with the frontend\'s session', async () => {
    const { context, page } = await visit(listed, marketer)
    const seen = await run(page, 'journey', system.url, 'Diwali')
    assert.match(seen.matched, /^[1-9]\d* customers match$/)
    assert.equal(`${seen.banner} match`, seen.matched)
    assert.deepEqual(seen.ruleIds, [['group_1', 'rule_total_spend', 'rule_total_orders'], ['group_2', 'rule_days_since_last_order']])
    assert.equal(seen.createdBy, `user:accounts.google.com|${marketer.sub}`)
    assert.equal(seen.status, 'COMPLETED')
    assert.equal(`${seen.statistics.target} customers`, seen.banner)
    assert.equal(String(seen.statistics.settled), seen.statistics.target)
    assert.ok(seen.statistics.dated)
    assert.equal(seen.dashboard.letters, 10)
    assert.ok(seen.dashboard.revenue > 0)
    assert.match(seen.dashboard.orders, /^[1-9]\d*$/)
    assert.equal(seen.inUse.success, false)

    const end = await run(page, 'follow', system.url, seen.campaignId)
    assert.equal(end.status, 'COMPLETED')
    await context.close()
  })

  check('reads the ETag and edits under it', async () => {
    const { context, page } = await visit(listed, marketer)
    const { etag, statuses } = await run(page, 'conditional', system.url, 'Versions')
    assert.match(etag, /^"\d+"$/)
    assert.deepEqual(statuses, [200, 412])
    await context.close()
  })

  check('reads a refusal as the JSON that it is', async () => {
    const { context, page } = await visit(listed, guest)
    const nobody = await visit(listed)
    const got = [
      await run(page, 'attempt', `${system.url}/api/segments`),
      await run(nobody.page, 'attempt', `${system.url}/api/segments`),
    ]
    assert.deepEqual(got.map((g) => [g.type, g.status, JSON.parse(g.text).success]), [['cors', 403, false], ['cors', 401, false]])
    await context.close()
    await nobody.context.close()
  })

  check('works with an API key as well', async () => {
    const { context, page } = await visit(listed)
    const headers = { Authorization: `Bearer ${system.key}` }
    const got = await run(page, 'attempt', `${system.url}/api/me`, { headers, credentials: 'omit' })
    assert.equal(got.status, 200, got.text)
    await context.close()
  })
})

describe('a page of an origin that is not on the list', () => {
  const json = { 'Content-Type': 'application/json' }
  const segment = JSON.stringify({
    name: 'Stolen', rules: [{ id: 'g', operator: 'AND', rules: [{ id: 'r', field: 'total_spend', operator: '>', value: 0 }] }],
  })

  check('may read nothing and change nothing, though the visitor has a session', async () => {
    const { context, page } = await visit(unlisted, marketer)
    const held = await system.holdings()
    const segments = `${system.url}/api/segments`
    const id = held.segments[0].split(' ')[0]
    const kept = [
      await run(page, 'attempt', segments),
      await run(page, 'attempt', `${system.url}/api/dashapi`),
      await run(page, 'attempt', `${segments}/preview`, { method: 'POST', headers: json, body: segment }),
      await run(page, 'attempt', segments, { method: 'POST', headers: json, body: segment }),
      await run(page, 'attempt', `${segments}/${id}`, { method: 'DELETE' }),
      await run(page, 'attempt', `${system.url}/api/me`, { headers: { Authorization: `Bearer ${system.key}` }, credentials: 'omit' }),
    ]
    assert.deepEqual(kept, kept.map(() => ({ refused: 'TypeError' })))
    await assert.rejects(run(page, 'journey', system.url, 'Stolen'), /Failed to fetch/)
    assert.deepEqual(await system.holdings(), held)
    await context.close()
  })

  check('is refused by the API where the browser lets a request through', async () => {
    const { context, page } = await visit(unlisted, marketer)
    const held = await system.holdings()
    // What needs no preflight is sent, with the cookie: another port is the same site.
    const plain = () => run(page, 'attempt', `${system.url}/api/segments`, { method: 'POST', mode: 'no-cors', body: segment })
    assert.equal(await statusOf(page, '/api/segments', plain), 403)
    const form = () => page.evaluate((action) => {
      document.body.innerHTML = '<form method="post" enctype="text/plain"><input name="name" value="Stolen"></form>'
      const form = document.querySelector('form')
      form.action = action
      form.submit()
    }, `${system.url}/api/segments`)
    assert.equal(await statusOf(page, '/api/segments', form), 403)
    assert.deepEqual(await system.holdings(), held)
    await context.close()
  })

  check('has not even the cookie from another site', async () => {
    const { context, page } = await visit(otherSite, marketer)
    const held = await system.holdings()
    const plain = () => run(page, 'attempt', `${system.url}/api/segments`, { method: 'POST', mode: 'no-cors', body: segment })
    assert.equal(await statusOf(page, '/api/segments', plain), 401)
    assert.deepEqual(await system.holdings(), held)
    await context.close()
  })
})

describe('signing in at an issuer', () => {
  // signIn takes a browser through the issuer, which is another site, and back.
  async function signIn() {
    const context = await browser.newContext()
    const page = await context.newPage()
    await page.goto(`${system.url}/auth/login?return_to=/docs`)
    assert.equal(new URL(page.url()).origin, google.url)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL(`${system.url}/docs`)
    return { context, page }
  }
  const me = (page) => run(page, 'attempt', `${system.url}/api/me`)

  check('gives a session that no script can read and no other host can set', async () => {
    const { context, page } = await signIn()
    const cookies = (await context.cookies()).filter((c) => c.name.startsWith('__Host-'))
    assert.deepEqual(cookies.map(({ name, domain, path, secure, httpOnly, sameSite }) => (
      { name, domain, path, secure, httpOnly, sameSite })), [{
      name: '__Host-xencrm-session', domain: '127.0.0.1', path: '/', secure: true, httpOnly: true, sameSite: 'Lax',
    }])
    assert.equal(await page.evaluate(() => document.cookie), '')

    await page.goto(listed.url)
    const got = await me(page)
    assert.equal(got.status, 200, got.text)
    assert.match(got.text, new RegExp(`user:${google.url}\\|${marketer.sub}`))
    const seen = await run(page, 'journey', system.url, 'Signed in')
    assert.equal(seen.status, 'COMPLETED')
    await context.close()
  })

  check('does not let a page that is not on the list end the session, and lets one that is', async () => {
    const { context, page } = await signIn()
    const logout = () => run(page, 'attempt', `${system.url}/auth/logout`, { method: 'POST', mode: 'no-cors' })
    await page.goto(unlisted.url)
    assert.equal(await statusOf(page, '/auth/logout', logout), 403)
    await page.goto(listed.url)
    assert.equal((await me(page)).status, 200)
    const [had] = (await context.cookies()).filter((c) => c.name === '__Host-xencrm-session')
    assert.equal((await run(page, 'attempt', `${system.url}/auth/logout`, { method: 'POST' })).status, 200)
    assert.equal((await me(page)).status, 401)
    // The session itself is over, not only forgotten by this browser.
    await context.addCookies([had])
    assert.equal((await me(page)).status, 401)
    await context.close()
  })

  check('is worth nothing in a browser that did not begin it', async () => {
    const victim = await browser.newContext()
    const page = await victim.newPage()
    await page.goto(`${system.url}/auth/login`)
    const attacker = await browser.newContext()
    const there = await attacker.newPage()
    const callback = page.waitForRequest((r) => r.url().startsWith(`${system.url}/auth/callback`))
    await victim.route('**/auth/callback*', (route) => route.abort())
    await page.getByRole('button', { name: 'Sign in' }).click()
    const answered = await there.goto((await callback).url())
    assert.equal(answered.status(), 401)
    assert.deepEqual((await attacker.cookies()).filter((c) => c.name.startsWith('__Host-')), [])
    await victim.close()
    await attacker.close()
  })
})
