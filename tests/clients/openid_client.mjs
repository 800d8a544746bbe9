// openid-client as it comes: reads what to do as JSON on stdin, prints what it got as JSON on stdout.
import * as client from 'openid-client'
import { ask, reads, signingKey, TOKEN_EXCHANGE } from './asked.mjs'

async function authentication({ method, secret, jwk, algorithm }) {
  if (method === 'private_key_jwt') return client.PrivateKeyJwt({ key: await signingKey(jwk, algorithm), kid: jwk.kid })
  return method === 'client_secret_post' ? client.ClientSecretPost(secret) : client.ClientSecretBasic(secret)
}

async function run(wanted) {
  const config = await client.discovery(new URL(wanted.issuer), wanted.client_id, undefined, await authentication(wanted), {
    algorithm: 'oauth2',
    execute: [client.allowInsecureRequests], // the server under test is on loopback, without TLS
  })
  const granted = await client.clientCredentialsGrant(config, { scope: wanted.scope, resource: wanted.resource })
  const introspected = await client.tokenIntrospection(config, granted.access_token)
  const exchanged = await client.genericGrantRequest(config, TOKEN_EXCHANGE, reads(wanted))
  await client.tokenRevocation(config, granted.access_token)
  const afterwards = await client.tokenIntrospection(config, granted.access_token)
  return { granted, introspected, exchanged, revoked: true, afterwards }
}

await ask(run)
