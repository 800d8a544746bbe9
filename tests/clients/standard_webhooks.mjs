// The npm package standardwebhooks: verifies a message with each of some secrets; prints its type, or the error's name.
import { Webhook } from 'standardwebhooks'
import { ask } from './asked.mjs'

await ask(({ secrets, headers, body }) => ({
  verified: secrets.map((secret) => {
    try {
      return new Webhook(secret).verify(body, headers).type
    } catch (error) {
      return error.name
    }
  }),
}))
