// node-oidc-provider with everything in memory: introspection, client credentials, opaque and JWT access tokens.
// node server.mjs PORT COUNT FOLDER: makes COUNT opaque tokens before it listens, and keeps them in FOLDER.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import Provider from 'oidc-provider';

const [port, count, folder] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]];
const scope = 'orders:read orders:write';
const [jwts, opaque] = ['https://orders.example', 'https://opaque.example'];
const secret = randomBytes(32).toString('base64url');
const kept = new Map(); // its own adapter forgets all but the last thousand

class Memory {
  constructor(model) { this.model = model; }
  async upsert(id, payload) { kept.set(`${this.model}:${id}`, payload); }
  async find(id) { return kept.get(`${this.model}:${id}`); }
  async findByUid() { return undefined; }
  async findByUserCode() { return undefined; }
  async consume() {}
  async destroy(id) { kept.delete(`${this.model}:${id}`); }
  async revokeByGrantId() {}
}

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const provider = new Provider(`http://127.0.0.1:${port}`, {
  adapter: Memory,
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: 'bench' }] },
  clients: [{
    client_id: 'bench', client_secret: secret, grant_types: ['client_credentials'], redirect_uris: [],
    response_types: [], token_endpoint_auth_method: 'client_secret_basic', id_token_signed_response_alg: 'ES256',
  }],
  scopes: scope.split(' '),
  ttl: { ClientCredentials: 86400 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_ctx, indicator) => ({
        scope, audience: indicator, accessTokenFormat: indicator === jwts ? 'jwt' : 'opaque',
        accessTokenTTL: 86400, jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
});

const client = await provider.Client.find('bench');
const tokens = [];
for (let i = 0; i < count; i += 1) {
  const token = new provider.ClientCredentials({ client, scope });
  token.resourceServer = new provider.ResourceServer(opaque, { scope, audience: opaque, accessTokenFormat: 'opaque', accessTokenTTL: 86400 });
  tokens.push(await token.save());
}
writeFileSync(join(folder, 'token'), `${tokens.join('\n')}\n`, { mode: 0o600 });
writeFileSync(join(folder, 'client'), `bench:${secret}\n`, { mode: 0o600 });
createServer(provider.callback()).listen(port, '127.0.0.1');
