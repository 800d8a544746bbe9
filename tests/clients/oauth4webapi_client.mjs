// oauth4webapi as it comes: reads what to do as JSON on stdin, prints what it got as JSON on stdout.
import * as oauth from 'oauth4webapi'
import { ask, reads, signingKey, TOKEN_EXCHANGE } from './asked.mjs'

const plain = { [oauth.allowInsecureRequests]: true } // the server under test is on loopback, without TLS

async function authentication({ method, secret, jwk, algorithm }) {
  if (method === 'private_key_jwt') return oauth.PrivateKeyJwt({ key: await signingKey(jwk, algorithm), kid: jwk.kid })
  return method === 'client_secret_post' ? oauth.ClientSecretPost(secret) : oauth.ClientSecretBasic(secret)
}

async function run(wanted) {
  const issuer = new URL(wanted.issuer)
  const discovered = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...plain })
  const as = await oauth.processDiscoveryResponse(issuer, discovered)
  const client = { client_id: wanted.client_id }
  const auth = await authentication(wanted)
  const asked = new URLSearchParams({ scope: wanted.scope, resource: wanted.resource })
  const introspect = async (token, options = {}) =>
    oauth.processIntrospectionResponse(
      as, client, await oauth.introspectionRequest(as, client, auth, token, { ...plain, ...options }))

  const granted = await oauth.processClientCredentialsResponse(
    as, client, await oauth.clientCredentialsGrantRequest(as, client, auth, asked, plain))
  const request = new Request(wanted.resource, { headers: { authorization: `Bearer ${granted.access_token}` } })
  const locally = await oauth.validateJwtAccessToken(as, request, wanted.resource, plain)
  const introspected = await introspect(granted.access_token)
  const signed = await introspect(granted.access_token, { requestJwtResponse: true })
  const exchanged = await oauth.processGenericTokenEndpointResponse(
    as, client, await oauth.genericTokenEndpointRequest(as, client, auth, TOKEN_EXCHANGE, reads(wanted), plain))
  const revoked = await oauth.processRevocationResponse(
    await oauth.revocationRequest(as, client, auth, granted.access_token, plain))
  const afterwards = await introspect(granted.access_token)
  return { granted, locally, introspected, signed, exchanged, revoked: revoked === undefined, afterwards }
}

await ask(run)
