// The session cookie of the existing frontend, made as NextAuth v4 makes it: a JWE of alg dir and enc A256GCM, under
// a key that comes from NEXTAUTH_SECRET. The frontend sets it after Google's sign-in, which no test can pass.
import { createCipheriv, hkdfSync, randomBytes, randomUUID } from 'node:crypto'

export const secret = 'a-secret-of-the-browser-check-only'

const hour = 3600

// cookie gives the cookie of a person, for a page's host; ports do not part cookies.
export function cookie(person, host) {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'NextAuth.js Generated Encryption Key', 32))
  const header = Buffer.from(JSON.stringify({ alg: 'dir', enc: 'A256GCM' })).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  const claims = JSON.stringify({ ...person, id: person.sub, iat: now, exp: now + hour, jti: randomUUID() })
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(header))
  const text = Buffer.concat([cipher.update(claims), cipher.final()])
  const parts = [iv, text, cipher.getAuthTag()].map((part) => part.toString('base64url'))
  return {
    name: 'next-auth.session-token', value: `${header}..${parts.join('.')}`, domain: host, path: '/', httpOnly: true, sameSite: 'Lax',
  }
}
