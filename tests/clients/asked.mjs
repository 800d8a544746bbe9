// What the clients share: JSON in, JSON out, the key of a client, and a person who opens what the app prints.
import { createInterface } from 'node:readline'

export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const PARAMETERS = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
}

export function signingKey(jwk, algorithm) {
  return crypto.subtle.importKey('jwk', jwk, PARAMETERS[algorithm], false, ['sign'])
}

export function reads(wanted) {
  return {
    subject_token: wanted.subject_token,
    subject_token_type: 'urn:latchkey:token-type:personal_access_token',
    scope: wanted.scope,
  }
}

export async function ask(run) {
  let text = ''
  for await (const chunk of process.stdin) text += chunk
  console.log(JSON.stringify(await run(JSON.parse(text))))
}

// The first line of input is what is wanted. For each address that a run prints, the next line is where the person's
// browser ended. Each run goes on by itself: what one throws is its result.
export async function runEach(runs) {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
  const next = async () => (await lines.next()).value
  const wanted = JSON.parse(await next())
  const open = async (url) => {
    console.log(JSON.stringify({ open: String(url) }))
    const ended = await next()
    if (ended.startsWith('failed: ')) throw new Error(ended)
    return new URL(ended)
  }
  const results = {}
  for (const [name, run] of Object.entries(runs)) {
    results[name] = await run(wanted, open).catch((error) => ({ error: `${error.stack}\n${error.cause ?? ''}` }))
  }
  console.log(JSON.stringify({ results }))
  process.exit()
}
