// openid-client and oauth4webapi as they come, as apps of a user: code with PKCE, refresh, device, revocation.
import * as client from 'openid-client'
import * as oauth from 'oauth4webapi'
import { runEach } from './asked.mjs'

const plain = { [oauth.allowInsecureRequests]: true } // the server under test is on loopback, without TLS
const SOON = 0.1 // seconds: the device is allowed already when the app begins to poll

async function failure(promise) {
  const error = await promise.then(() => ({}), (thrown) => thrown)
  return error.error ?? error.code ?? 'none'
}

async function openidClient(wanted, open) {
  const auth = wanted.secret ? client.ClientSecretBasic(wanted.secret) : client.None()
  const config = await client.discovery(new URL(wanted.issuer), wanted.client_id, undefined, auth, {
    algorithm: 'oauth2',
    execute: [client.allowInsecureRequests], // as above
  })
  const { redirect_uri, scope, resource } = wanted
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const expectedState = client.randomState()
  const asked = { redirect_uri, scope, resource, state: expectedState, code_challenge_method: 'S256',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier) }
  const url = await open(client.buildAuthorizationUrl(config, asked))
  const checks = { pkceCodeVerifier, expectedState }
  const granted = await client.authorizationCodeGrant(config, url, checks)
  const called = await client.fetchProtectedResource(config, granted.access_token, new URL(wanted.api), 'GET')
  const refreshed = await client.refreshTokenGrant(config, granted.refresh_token)

  const elsewhere = new URL(url)
  elsewhere.searchParams.set('iss', 'https://attacker.example')
  const mixed_up = await failure(client.authorizationCodeGrant(config, elsewhere, checks)) // RFC 9207 §2.4

  const device = await client.initiateDeviceAuthorization(config, { scope, resource })
  await open(device.verification_uri_complete)
  const by_device = await client.pollDeviceAuthorizationGrant(config, { ...device, interval: SOON })

  await client.tokenRevocation(config, refreshed.refresh_token)
  const revoked = await failure(client.refreshTokenGrant(config, refreshed.refresh_token))
  return { granted, called: called.status, refreshed, mixed_up, by_device, revoked }
}

async function oauth4webapi(wanted, open) {
  const issuer = new URL(wanted.issuer)
  const as = await oauth.processDiscoveryResponse(
    issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...plain }))
  const app = { client_id: wanted.client_id }
  const auth = wanted.secret ? oauth.ClientSecretBasic(wanted.secret) : oauth.None()
  const { redirect_uri, scope, resource } = wanted
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const asked = new URL(as.authorization_endpoint)
  asked.search = new URLSearchParams({ client_id: app.client_id, redirect_uri, scope, resource, state,
    response_type: 'code', code_challenge_method: 'S256',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier) })
  const url = await open(asked)
  const answer = oauth.validateAuthResponse(as, app, url, state)
  const granted = await oauth.processAuthorizationCodeResponse(
    as, app, await oauth.authorizationCodeGrantRequest(as, app, auth, answer, redirect_uri, verifier, plain))
  const called = await oauth.protectedResourceRequest(
    granted.access_token, 'GET', new URL(wanted.api), undefined, undefined, plain)
  const request = new Request(resource, { headers: { authorization: `Bearer ${granted.access_token}` } })
  const locally = await oauth.validateJwtAccessToken(as, request, resource, plain)
  const refresh = async (token) => oauth.processRefreshTokenResponse(
    as, app, await oauth.refreshTokenGrantRequest(as, app, auth, token, plain))
  const refreshed = await refresh(granted.refresh_token)

  const elsewhere = new URL(url)
  elsewhere.searchParams.delete('iss')
  const mixed_up = await failure((async () => oauth.validateAuthResponse(as, app, elsewhere, state))())

  const begun = await oauth.deviceAuthorizationRequest(as, app, auth, { scope, resource }, plain)
  const device = await oauth.processDeviceAuthorizationResponse(as, app, begun)
  await open(device.verification_uri_complete)
  const by_device = await oauth.processDeviceCodeResponse(
    as, app, await oauth.deviceCodeGrantRequest(as, app, auth, device.device_code, plain))

  await oauth.processRevocationResponse(await oauth.revocationRequest(as, app, auth, refreshed.refresh_token, plain))
  const revoked = await failure(refresh(refreshed.refresh_token))
  return { granted, called: called.status, locally, refreshed, mixed_up, by_device, revoked }
}

await runEach({ 'openid-client': openidClient, oauth4webapi })
