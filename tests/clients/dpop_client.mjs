// oauth4webapi with DPoP as it comes: it finds the demanded nonce by itself; reads and prints JSON, as the others do.
import * as oauth from 'oauth4webapi'
import { ask } from './asked.mjs'

const plain = { [oauth.allowInsecureRequests]: true } // the server under test is on loopback, without TLS

async function again(request) {
  try {
    return await request()
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    return request() // it has kept the nonce that came with the refusal
  }
}

async function run(wanted) {
  const issuer = new URL(wanted.issuer)
  const discovered = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...plain })
  const as = await oauth.processDiscoveryResponse(issuer, discovered)
  const client = { client_id: wanted.client_id }
  const auth = oauth.ClientSecretBasic(wanted.secret)
  const DPoP = oauth.DPoP(client, await oauth.generateKeyPair(wanted.algorithm))
  const asked = new URLSearchParams({ resource: wanted.resource })
  const granted = await again(async () => oauth.processClientCredentialsResponse(
    as, client, await oauth.clientCredentialsGrantRequest(as, client, auth, asked, { ...plain, DPoP })))
  const opened = async () => oauth.protectedResourceRequest(
    granted.access_token, 'GET', new URL(wanted.url), undefined, undefined, { ...plain, DPoP })
  const answer = await again(opened)
  const introspected = await oauth.processIntrospectionResponse(
    as, client, await oauth.introspectionRequest(as, client, auth, granted.access_token, plain))
  const bearer = await fetch(wanted.url, { headers: { authorization: `Bearer ${granted.access_token}` } })
  return {
    granted, introspected, opened: answer.status, bearer: bearer.status, jkt: await DPoP.calculateThumbprint(),
  }
}

await ask(run)
