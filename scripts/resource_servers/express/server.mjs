// An API in Express that accepts every kind of credential: it verifies a JWT itself (keys and status list) and asks the
// authorization server about all else.
import { inflateSync } from 'node:zlib'
import express from 'express'
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'

const { ISSUER, RESOURCE, CLIENT_ID, CLIENT_SECRET, PORT } = process.env
const TIMEOUT = 5000 // milliseconds that a request to the authorization server may take
const MAX_STALE = 60_000 // milliseconds that a status list is used after its time while no newer one can be had
const LIST_SIZE = 1 << 20 // bytes that a status list may have: never decompress without a bound
const keys = createRemoteJWKSet(new URL(`${ISSUER}/.well-known/jwks.json`), { timeoutDuration: TIMEOUT })
const lists = new Map()

class Refusal extends Error {
  constructor(status, error, scope) {
    super(error)
    Object.assign(this, { status, error, scope })
  }
}

async function ask(url, options = {}) {
  const response = await fetch(url, { ...options, signal: AbortSignal.timeout(TIMEOUT) })
  if (response.status !== 200) throw new Refusal(503, 'temporarily_unavailable')
  return response
}

async function verify(token, options) {
  const { payload } = await jwtVerify(token, keys, { issuer: ISSUER, algorithms: ['ES256'], ...options })
  return payload
}

async function fetchList(uri) {
  const claims = await verify(await (await ask(uri)).text(), {
    subject: uri, typ: 'statuslist+jwt', requiredClaims: ['exp', 'iat', 'ttl', 'status_list'],
  })
  if (claims.status_list.bits !== 1) throw new Refusal(503, 'temporarily_unavailable')
  const bits = inflateSync(Buffer.from(claims.status_list.lst, 'base64url'), { maxOutputLength: LIST_SIZE })
  return { bits, until: Date.now() + claims.ttl * 1000 }
}

// One request for all callers that wait; afterwards the list is used until its ttl is over.
async function statusList(uri) {
  const known = lists.get(uri) ?? {}
  lists.set(uri, known)
  if (known.list?.until > Date.now()) return known.list
  known.pending ??= fetchList(uri).then(list => (known.list = list)).finally(() => (known.pending = undefined))
  try {
    return await known.pending
  } catch {
    if (known.list?.until + MAX_STALE > Date.now()) return known.list
    throw new Refusal(503, 'temporarily_unavailable')
  }
}

async function isRefused({ idx, uri }) {
  if (!uri.startsWith(`${ISSUER}/status-lists/`)) return true
  const { bits } = await statusList(uri)
  return !(idx >= 0 && idx < bits.length * 8) || ((bits[idx >> 3] >> (idx & 7)) & 1) === 1
}

async function introspect(token, clientIp) {
  const basic = btoa(`${encodeURIComponent(CLIENT_ID)}:${encodeURIComponent(CLIENT_SECRET)}`)
  const response = await ask(`${ISSUER}/oauth/introspect`, {
    method: 'POST', headers: { Authorization: `Basic ${basic}` },
    body: new URLSearchParams({ token, client_ip: clientIp }), // an API key may be bound to networks
  })
  const answer = await response.json()
  return answer.active === true && answer.aud.includes(RESOURCE) ? answer : null
}

async function identify(token, clientIp) {
  if (token.split('.').length !== 3) return introspect(token, clientIp)
  const claims = await verify(token, {
    audience: RESOURCE, typ: 'at+jwt', requiredClaims: ['exp', 'iat', 'sub', 'client_id', 'jti'],
  })
  if (!claims.status) return introspect(token, clientIp) // issued before the server had status lists
  return (await isRefused(claims.status.status_list)) ? null : claims
}

function sentToken(request) {
  const { authorization = [], 'x-api-key': apiKey = [] } = request.headersDistinct
  if (authorization.length + apiKey.length > 1) throw new Refusal(400, 'invalid_request')
  const token = apiKey[0] ?? /^Bearer +(\S+)$/i.exec(authorization[0] ?? '')?.[1]
  if (!token) throw new Refusal(401) // RFC 6750 §3.1: no error code where no credential was sent
  return token
}

function requireScope(scope) {
  return async (request, response, next) => {
    const credential = await identify(sentToken(request), request.ip)
    // A token that is bound to a key or a certificate needs a check that this API does not make (RFC 9449 §7.2).
    if (!credential || credential.cnf) throw new Refusal(401, 'invalid_token')
    if (!credential.scope?.split(' ').includes(scope)) throw new Refusal(403, 'insufficient_scope', scope)
    request.credential = credential
    next()
  }
}

// jose's other errors mean that the keys cannot be fetched.
const UNAVAILABLE = ['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT']
const isInvalid = error => error instanceof errors.JOSEError && !UNAVAILABLE.includes(error.code)

function toRefusal(error) {
  if (error instanceof Refusal) return error
  return isInvalid(error) ? new Refusal(401, 'invalid_token') : new Refusal(503, 'temporarily_unavailable')
}

function refuse(error, request, response, next) {
  const { status, error: code, scope } = toRefusal(error)
  const parameters = Object.entries({ error: code, scope }).filter(([, value]) => value)
  const challenge = parameters.map(([name, value]) => `${name}="${value}"`).join(', ')
  if (status === 503) response.set('Retry-After', '1')
  else response.set('WWW-Authenticate', `Bearer ${challenge}`.trim()) // RFC 6750 §3
  response.status(status).json(Object.fromEntries(parameters))
}

const app = express().disable('x-powered-by') // behind a proxy of yours: .set('trust proxy', 'loopback')
// An API key has no `sub`: it stands for nobody.
app.get('/orders', requireScope('orders:read'), (request, response) => {
  response.json({ orders: ['one apple'], holder: request.credential.sub ?? null })
})
app.use(refuse)
app.listen(Number(PORT), '127.0.0.1')
