// The official MCP client as it comes: it finds the authorization server by itself, registers, and calls a tool.
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import { ClientCredentialsProvider, PrivateKeyJwtProvider } from '@modelcontextprotocol/sdk/client/auth-extensions.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { runEach } from './asked.mjs'

// The app's part, which the SDK leaves to it: to keep what it gets, and to open the browser.
class App {
  constructor(open, redirectUrl, clientMetadataUrl) {
    Object.assign(this, { open, redirectUrl, clientMetadataUrl })
  }
  get clientMetadata() {
    return { client_name: 'TypeScript orders', redirect_uris: [this.redirectUrl], token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] }
  }
  state() { return this.expected ??= crypto.randomUUID() }
  clientInformation() { return this.information }
  saveClientInformation(information) { this.information = information }
  tokens() { return this.kept }
  saveTokens(tokens) { this.kept = tokens }
  saveCodeVerifier(verifier) { this.verifier = verifier }
  codeVerifier() { return this.verifier }
  async redirectToAuthorization(url) {
    this.asked = Object.fromEntries(url.searchParams)
    this.answer = (await this.open(url)).searchParams
  }
}

async function callTool(url, authProvider) {
  const client = new Client({ name: 'orders', version: '1.0.0' })
  const connect = async () => {
    const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider })
    await client.connect(transport).catch(async (error) => {
      if (!(error instanceof UnauthorizedError)) throw error
      if (authProvider.answer.get('state') !== authProvider.expected) throw new Error('another state')
      await transport.finishAuth(authProvider.answer.get('code'))
      return client.connect(new StreamableHTTPClientTransport(new URL(url), { authProvider }))
    })
  }
  await connect()
  const result = await client.callTool({ name: 'whoami', arguments: {} })
  await client.close()
  return result.structuredContent
}

async function registered({ url, redirect }, open) {
  const app = new App(open, redirect)
  const first = await callTool(url, app)
  const { refresh_token, scope } = app.kept
  app.kept.access_token = 'outdated' // the server refuses it, and the SDK refreshes
  const second = await callTool(url, app)
  return { first, second, scope, client_id: app.information.client_id, asked: app.asked, answer: [...app.answer.keys()],
    rotated: app.kept.refresh_token !== refresh_token }
}

async function by_document({ url, redirect, document }, open) {
  return { first: await callTool(url, new App(open, redirect, document)) }
}

async function by_secret({ url, issuer, agent, scope }) {
  const clientInformation = { clientId: agent.client_id, clientSecret: agent.secret, expectedIssuer: issuer, scope }
  return { first: await callTool(url, new ClientCredentialsProvider(clientInformation)) }
}

async function by_key({ url, issuer, keyed, scope }) {
  const clientInformation = { clientId: keyed.client_id, privateKey: keyed.pem, algorithm: 'ES256', scope }
  return { first: await callTool(url, new PrivateKeyJwtProvider({ ...clientInformation, expectedIssuer: issuer })) }
}

await runEach({ registered, by_document, by_secret, by_key })
