// The flow of ../run.sh with oauth4webapi: token, introspection, revocation. Run by scripts/clients, which says where and as whom.
import * as oauth from 'oauth4webapi'
import { deepStrictEqual as equal, ok, rejects } from 'node:assert'

const { URL: url, WORKER_ID, WORKER_SECRET, ORDERS_ID, ORDERS_SECRET } = process.env
// The service is on this machine: elsewhere it has to be https, and this goes.
const http = { [oauth.allowInsecureRequests]: true }
const worker = [{ client_id: WORKER_ID }, oauth.ClientSecretBasic(WORKER_SECRET)]
const workerByForm = [{ client_id: WORKER_ID }, oauth.ClientSecretPost(WORKER_SECRET)]
const orders = [{ client_id: ORDERS_ID }, oauth.ClientSecretBasic(ORDERS_SECRET)]
let server, token

async function granted([client, authentication], scope) {
  const response = await oauth.clientCredentialsGrantRequest(server, client, authentication, new URLSearchParams({ scope }), http)
  return oauth.processClientCredentialsResponse(server, client, response)
}
async function introspected([client, authentication], token) {
  const response = await oauth.introspectionRequest(server, client, authentication, token, http)
  return oauth.processIntrospectionResponse(server, client, response)
}
async function revoked([client, authentication], token) {
  return oauth.processRevocationResponse(await oauth.revocationRequest(server, client, authentication, token, http))
}

const steps = {
  'the metadata is that of the issuer': async () => {
    const issuer = new URL(url)
    server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { ...http, algorithm: 'oauth2' }))
    equal([server.token_endpoint, server.jwks_uri], [`${url}/oauth/token`, undefined])
  },
  'a client gets a token': async () => {
    const answer = await granted(worker, 'orders:read')
    equal([answer.token_type, answer.scope, answer.refresh_token], ['bearer', 'orders:read', undefined])
    token = answer.access_token
  },
  'also with its secret in the form': async () => ok((await granted(workerByForm, 'orders:read')).access_token),
  'another service learns that it is good': async () => {
    const { active, client_id, scope, iss } = await introspected(orders, token)
    equal({ active, client_id, scope, iss }, { active: true, client_id: WORKER_ID, scope: 'orders:read', iss: url })
  },
  'who may not ask is not told': () => rejects(introspected(worker, token)),
  'a scope that is not held is refused': () => rejects(granted(worker, 'hallpass:introspect'), { error: 'invalid_scope' }),
  'a wrong secret is refused': () =>
    rejects(granted([worker[0], oauth.ClientSecretPost('hp_cs_wrong')], 'orders:read'), { error: 'invalid_client' }),
  'another client cannot take it back': async () => {
    await rejects(revoked(orders, token))
    ok((await introspected(orders, token)).active)
  },
  'the client takes it back': () => revoked(worker, token),
  'another service learns that it is good no more': async () => equal(await introspected(orders, token), { active: false }),
}

let failed = 0
for (const [name, step] of Object.entries(steps)) {
  try {
    await step()
  } catch (error) {
    failed += 1
    console.error(`FAILED: ${name}:`, error)
  }
}
console.log(`oauth4webapi: ${Object.keys(steps).length - failed} passed, ${failed} failed`)
process.exitCode = failed && 1
