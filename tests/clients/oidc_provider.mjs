// oidc-provider as it comes, as an organisation's identity provider: reads its port and its client as JSON on stdin,
// and prints a line once it listens. Anybody signs in with any password; the name is the subject. The file `people`, if
// there is one, is read at each sign-in and has other claims of some; `jwks` are other keys to sign with.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { Provider } from 'oidc-provider'

const wanted = JSON.parse(await text(process.stdin))
const issuer = `http://127.0.0.1:${wanted.port}`
const provider = new Provider(issuer, {
  clients: [wanted.client],
  ...(wanted.jwks ? { jwks: wanted.jwks } : {}),
  scopes: ['openid', 'profile', 'email', 'groups'],
  claims: {
    openid: ['sub'],
    profile: ['preferred_username', 'name'],
    email: ['email', 'email_verified'],
    groups: ['groups'],
  },
  features: { backchannelLogout: { enabled: true } },
  cookies: { keys: ['of the tests'] },
  fetch: (url, { dispatcher: _, ...options }) => fetch(url, options), // theirs refuses loopback
  pkce: { required: () => true },
  async findAccount(_ctx, sub) {
    const claims = { sub, preferred_username: sub, name: `Person ${sub}`, email: `${sub}@acme.example` }
    const others = wanted.people ? JSON.parse(readFileSync(wanted.people))[sub] : {}
    return { accountId: sub, claims: async () => ({ ...claims, email_verified: true, groups: ['buyers'], ...others }) }
  },
})
provider.on('backchannel.error', (_ctx, error) => console.error('back-channel:', error.message, error.cause))
createServer(provider.callback()).listen(wanted.port, '127.0.0.1', () => console.log('listening'))
