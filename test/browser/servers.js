// The other servers that a browser meets: origins that serve the page of a frontend, and an OpenID Connect issuer
// that signs in whoever presses its button. All of them listen on this machine only.
import { createHash, createSign, generateKeyPairSync, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'

async function listen(handler, host) {
  const server = createServer(handler)
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  return { url: `http://${host}:${server.address().port}`, close: () => server.close() }
}

// origin serves a page and the frontend's script. Two ports of one host are two origins of one site.
export async function origin(host = '127.0.0.1') {
  const script = await readFile(new URL('frontend.js', import.meta.url))
  return listen((request, response) => {
    const wanted = request.url === '/frontend.js'
    response.setHeader('Content-Type', wanted ? 'text/javascript' : 'text/html')
    response.end(wanted ? script : '<!doctype html><title>A page of another origin</title>')
  }, host)
}

export const client = { id: 'xencrm-browser-check', secret: 'only-for-this-test' }

// issuer is an OpenID Connect issuer for the authorization code flow with PKCE. It is called localhost, which is
// another site than the API's 127.0.0.1, as Google is another site than ours.
export async function issuer(person) {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const codes = new Map()
  const routes = {
    '/.well-known/openid-configuration': () => json({
      issuer: server.url, authorization_endpoint: `${server.url}/authorize`, token_endpoint: `${server.url}/token`,
      jwks_uri: `${server.url}/keys`, id_token_signing_alg_values_supported: ['RS256'],
      response_types_supported: ['code'], subject_types_supported: ['public'],
    }),
    '/keys': () => json({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'a', alg: 'RS256', use: 'sig' }] }),
    '/authorize': (query) => html(`<form action="/consent"><input type="hidden" name="request"
      value="${Buffer.from(JSON.stringify(Object.fromEntries(query))).toString('base64url')}"><button>Sign in</button></form>`),
    '/consent': (query) => {
      const asked = JSON.parse(Buffer.from(query.get('request'), 'base64url').toString())
      const code = randomBytes(16).toString('hex')
      codes.set(code, asked)
      return { status: 303, headers: { Location: `${asked.redirect_uri}?code=${code}&state=${asked.state}` } }
    },
    '/token': (query, form, authorization) => {
      const asked = codes.get(form.get('code'))
      codes.delete(form.get('code'))
      const refusal = asked && refuse(asked, form, authorization)
      if (!asked || refusal) return json({ error: 'invalid_grant', error_description: refusal ?? 'unknown code' }, 400)
      return json({ token_type: 'Bearer', access_token: 'unused', id_token: idToken(server.url, asked, person, privateKey) })
    },
  }
  const server = await listen(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, server.url)
    let body = ''
    for await (const chunk of request) body += chunk
    const route = routes[pathname] ?? (() => ({ status: 404 }))
    const answer = route(searchParams, new URLSearchParams(body), request.headers.authorization)
    response.writeHead(answer.status, answer.headers)
    response.end(answer.body)
  }, 'localhost')
  return server
}

// refuse says what is wrong with a code's exchange: without the verifier of its challenge a stolen code is worth nothing.
function refuse(asked, form, authorization) {
  const basic = `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`
  const challenge = createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url')
  if (authorization !== basic) return 'client authentication'
  if (asked.code_challenge_method !== 'S256' || asked.code_challenge !== challenge) return 'PKCE'
  if (asked.redirect_uri !== form.get('redirect_uri')) return 'redirect_uri'
  return undefined
}

function idToken(url, asked, person, key) {
  const now = Math.floor(Date.now() / 1000)
  const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const signed = `${encode({ alg: 'RS256', kid: 'a', typ: 'JWT' })}.${encode({
    iss: url, aud: asked.client_id, iat: now, exp: now + 300, nonce: asked.nonce, ...person,
  })}`
  return `${signed}.${createSign('RSA-SHA256').update(signed).sign(key, 'base64url')}`
}

function json(body, status = 200) {
  return { status, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }
}

function html(body) {
  return { status: 200, headers: { 'Content-Type': 'text/html' }, body }
}
