// An identity provider of the lab: the real `oidc-provider`, with a page on which a person says who
// they are. Run as a program inside a namespace:
//
//   node identity-server.mjs CONFIG.json
//
// CONFIG: {"issuer", "listen", "port", "cert", "key", "control", "clients": [...], "people": {"ann": {claims}}}
// `control` is a Unix socket: a line of JSON in, a line out.
//   {"rotate": "RS256"}    other signing keys, of this algorithm
//   {"skew": seconds}      its clock goes wrong
//   {"down": true}         it answers nobody
//   {"seen": true}         -> the paths it was asked for so far

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { createServer as createControl } from 'node:net';
import Provider from 'oidc-provider';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const realNow = Date.now;
let skew = 0;
Date.now = () => realNow() + skew * 1000;

function newKeys(algorithm) {
  const pair = algorithm === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { keys: [{ ...pair.privateKey.export({ format: 'jwk' }), kid: randomBytes(4).toString('hex'), use: 'sig', alg: algorithm }] };
}

function makeProvider(algorithm) {
  const provider = new Provider(config.issuer, {
    clients: config.clients.map((client) => ({ ...client, id_token_signed_response_alg: algorithm })),
    clientDefaults: { id_token_signed_response_alg: algorithm },
    jwks: newKeys(algorithm),
    enabledJWA: { idTokenSigningAlgValues: [algorithm] },
    // What a silent sign-in in a frame needs.
    cookies: { keys: ['lab'], long: { sameSite: 'none', secure: true, httpOnly: true } },
    pkce: { required: () => true, methods: ['S256'] },
    // Pages of a client may spend their code themselves.
    clientBasedCORS: (context, origin, { redirectUris }) => redirectUris.some((uri) => new URL(uri).origin === origin),
    scopes: ['openid', 'offline_access'],
    claims: { openid: ['sub', 'groups'], email: ['email', 'email_verified'] },
    conformIdTokenClaims: false,
    features: {
      devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: true }, introspection: { enabled: true }, revocation: { enabled: true },
      registration: { enabled: true }, deviceFlow: { enabled: true },
    },
    // Refresh tokens that end with the session at the provider: what a device wants (docs/single-sign-on.md).
    issueRefreshToken: async (context, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    interactions: { url: (context, interaction) => `/interaction/${interaction.uid}` },
    async findAccount(context, id) {
      const claims = config.people[id];
      return claims && { accountId: id, claims: async () => ({ sub: id, ...claims }) };
    },
    async loadExistingGrant(context) {
      const { oidc } = context;
      const known = oidc.result?.consent?.grantId ?? oidc.session.grantIdFor(oidc.client.clientId);
      const there = known && await oidc.provider.Grant.find(known); // a revoked token took it along
      if (there) return there;
      const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope('openid email offline_access');
      await grant.save();
      return grant;
    },
  });
  provider.on('server_error', (context, error) => console.error(error));
  return { provider, answer: provider.callback() };
}

let current = makeProvider('ES256');
let down = false;
const seen = [];

async function interaction(request, response) {
  const [, uid, person] = /^\/interaction\/([^/]+)(?:\/as\/([a-z]+))?$/.exec(request.url);
  if (person && request.method === 'POST') {
    return current.provider.interactionFinished(request, response, { login: { accountId: person } }, { mergeWithLastSubmission: false });
  }
  response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
  const buttons = Object.keys(config.people).map((name) => `<form method="post" action="/interaction/${uid}/as/${name}"><button id="${name}">${name}</button></form>`);
  return response.end(`<!doctype html><title>Who are you?</title><h1>Who are you?</h1>${buttons.join('')}`);
}

const server = createServer({ cert: readFileSync(config.cert), key: readFileSync(config.key) }, (request, response) => {
  seen.push(`${request.method} ${request.url.split('?')[0]}`);
  if (down) return request.socket.destroy();
  if (request.url.startsWith('/interaction/')) {
    return interaction(request, response).catch((error) => response.writeHead(500).end(String(error)));
  }
  return current.answer(request, response);
});

const acts = {
  rotate: (algorithm) => { current = makeProvider(algorithm); },
  skew: (seconds) => { skew = seconds; },
  down: (value) => { down = value; },
  seen: () => seen,
};

createControl((socket) => {
  socket.on('error', () => {});
  socket.on('data', (data) => {
    const [[name, value]] = Object.entries(JSON.parse(data.toString()));
    socket.end(`${JSON.stringify(acts[name](value) ?? true)}\n`);
  });
}).listen(config.control, () => {
  server.listen(config.port, config.listen, () => console.log(`identity on ${server.address().port}`));
});
