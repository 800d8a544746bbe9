// @sd-jwt/jwt-status-list as it comes: says whether a token is valid, by the list that the token names.
import { getListFromStatusListJWT, getStatusListFromJWT } from '@sd-jwt/jwt-status-list'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { ask } from './asked.mjs'

await ask(async ({ issuer, token, audience }) => {
  const metadata = await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json()
  const keys = createRemoteJWKSet(new URL(metadata.jwks_uri))
  await jwtVerify(token, keys, { issuer, audience, typ: 'at+jwt' })
  const { idx, uri } = getStatusListFromJWT(token)
  const { status_lists: live } = await (await fetch(metadata.status_list_aggregation_endpoint)).json()
  const answer = await fetch(uri, { headers: { accept: 'application/statuslist+jwt' } })
  const list = await answer.text()
  const { payload } = await jwtVerify(list, keys, { issuer, subject: uri, typ: 'statuslist+jwt' })
  const unchanged = await fetch(uri, { headers: { 'if-none-match': answer.headers.get('etag') } })
  return {
    status: getListFromStatusListJWT(list).getStatus(idx),
    type: answer.headers.get('content-type'),
    ttl: payload.ttl,
    named: live.includes(uri),
    unchanged: unchanged.status,
  }
})
