// What both clients share: JSON in, JSON out, and the key of a client.
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
