// A whole step-up with oauth4webapi: node step_up.mjs http://localhost:PORT http://localhost:PORT/_clock
//
// Where the library has no verb of its own, for the challenge endpoint, its generic form request is sent there: it
// brings the DPoP proof and the client. What the person does, reading a code from an app, is done here.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import * as oauth from 'oauth4webapi'

const [api, clockUrl] = process.argv.slice(2)
const insecure = { [oauth.allowInsecureRequests]: true } // loopback
const client = { client_id: 'bank-cli', [oauth.clockSkew]: 0 }
const keys = await oauth.generateKeyPair('ES256')
const DPoP = oauth.DPoP(client, keys)

const as = await discovered()
const base = await signedIn()
const seed = await enrolled()
const elevated = await steppedUp(await challenged())
await repeated()
await validated()
await redeemedTwice()
console.log('everything held')

async function discovered() {
  const origin = new URL(api)
  const resource = await oauth.processResourceDiscoveryResponse(origin, await oauth.resourceDiscoveryRequest(origin, insecure))
  const issuer = new URL(resource.authorization_servers[0])
  const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
  return oauth.processDiscoveryResponse(issuer, found)
}

// The application's own sign-in is no OAuth: JSON goes in, a token response comes out.
async function signedIn() {
  const [credentials, login] = [{ username: 'ada', password: 'correct horse' }, { ...as, token_endpoint: `${api}/login` }]
  const asJson = (url, { headers, ...options }) =>
    fetch(url, {
      ...options,
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(credentials),
    })
  const sent = { DPoP, ...insecure, [oauth.customFetch]: asJson }
  const reply = await oauth.genericTokenEndpointRequest(login, client, oauth.None(), 'password', {}, sent)
  assert.equal(reply.headers.get('cache-control'), 'no-store')
  const token = await oauth.processGenericTokenEndpointResponse(login, client, reply)
  assert.equal(token.token_type, 'dpop')
  return token.access_token
}

async function enrolled() {
  const begun = await (await call(base, 'POST', '/stepup/authenticators', { method: 'totp', name: 'phone' })).json()
  const secret = new URL(begun.otpauth_uri).searchParams.get('secret')
  const active = await call(base, 'POST', `/stepup/authenticators/${begun.id}/verify`, { otp: code(secret) })
  assert.equal((await active.json()).state, 'active')
  await advance(30) // a code is accepted once
  return secret
}

async function challenged() {
  const refusal = await call(base, 'POST', '/transfers', order()).then(
    () => assert.fail('a weak token was accepted'),
    (error) => error,
  )
  assert.ok(refusal instanceof oauth.WWWAuthenticateChallengeError, refusal)
  const [{ scheme, parameters }] = refusal.cause
  assert.equal(scheme, 'dpop')
  assert.equal(parameters.error, 'insufficient_user_authentication')
  assert.equal(parameters.resource_metadata, `${api}/.well-known/oauth-protected-resource`)
  assert.ok(parameters.algs.split(' ').includes('ES256'))
  return parameters
}

async function steppedUp({ acr_values, max_age, scope }) {
  const verifier = oauth.generateRandomCodeVerifier()
  const start = await ceremony({
    response_type: 'code',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    resource: api,
    subject_token: base,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    acr_values,
    max_age,
    ...(scope ? { scope } : {}),
  })
  const step = await start.json()
  assert.deepEqual([start.status, step.error], [403, 'insufficient_authorization'])
  assert.deepEqual(step.authn_methods.map(({ method }) => method), ['totp'])
  const answer = { auth_session: step.auth_session, authn_method: 'totp', otp: code(seed) }
  const done = await ceremony(answer)
  assert.equal(done.status, 200)
  const { authorization_code } = await done.json()
  const reply = await redeem(authorization_code, verifier)
  assert.equal(reply.headers.get('cache-control'), 'no-store')
  const token = await oauth.processGenericTokenEndpointResponse(as, client, reply)
  assert.deepEqual([token.token_type, token.acr, token.scope.includes('payments')], ['dpop', acr_values, true])
  return { token: token.access_token, authorization_code, verifier }
}

async function repeated() {
  const reply = await call(elevated.token, 'POST', '/transfers', order())
  assert.deepEqual([reply.status, (await reply.json()).to], [200, 'ACME'])
}

// As a resource server of its own would: at+jwt, signature by the JWK Set, audience, expiry, and the proof's key.
async function validated() {
  const options = { requireDPoP: true, signingAlgorithms: ['ES256'], ...insecure, [oauth.clockSkew]: client[oauth.clockSkew] }
  const claims = await oauth.validateJwtAccessToken(as, await presented(keys), api, options)
  assert.deepEqual([claims.iss, claims.sub, claims.aud, claims.client_id], [api, 'ada', api, 'bank-cli'])
  assert.deepEqual([claims.acr, [...claims.amr].sort()], ['mfa', ['mfa', 'otp', 'pwd']])
  assert.ok(Number.isInteger(claims.auth_time) && claims.cnf.jkt)
  const thief = await presented(await oauth.generateKeyPair('ES256'))
  await assert.rejects(oauth.validateJwtAccessToken(as, thief, api, options), /mismatch|thumbprint/i)
  await assert.rejects(oauth.validateJwtAccessToken(as, await presented(keys), 'https://other.example', options))
}

async function redeemedTwice() {
  const again = await redeem(elevated.authorization_code, elevated.verifier)
  await assert.rejects(oauth.processGenericTokenEndpointResponse(as, client, again), { error: 'invalid_grant' })
}

// What a resource server receives with the elevated token and a proof by these keys.
async function presented(pair) {
  let request
  const caught = (url, { method, headers }) => {
    request = new Request(url, { method, headers })
    return new Response()
  }
  const options = { DPoP: oauth.DPoP(client, pair), ...insecure, [oauth.customFetch]: caught }
  await oauth.protectedResourceRequest(elevated.token, 'GET', new URL(`${api}/balance`), undefined, undefined, options)
  return request
}

function ceremony(form) {
  const endpoint = { ...as, token_endpoint: as.authorization_challenge_endpoint }
  // `grant_type`, which the library adds, means nothing there.
  return oauth.genericTokenEndpointRequest(endpoint, client, oauth.None(), 'none', form, { DPoP, ...insecure })
}

function redeem(code, code_verifier) {
  const form = { code, code_verifier }
  return oauth.genericTokenEndpointRequest(as, client, oauth.None(), 'authorization_code', form, { DPoP, ...insecure })
}

function call(token, method, path, body) {
  const headers = new Headers({ 'content-type': 'application/json' })
  const options = { DPoP, ...insecure }
  return oauth.protectedResourceRequest(token, method, new URL(api + path), headers, JSON.stringify(body), options)
}

function order() {
  return { to: 'ACME', amount: '50.00' }
}

function code(secret) {
  const bits = [...secret].map((sign) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(sign).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)))
  const step = Buffer.alloc(8)
  step.writeBigUInt64BE(BigInt(Math.floor((Date.now() / 1000 + client[oauth.clockSkew]) / 30)))
  const mac = createHmac('sha1', key).update(step).digest()
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

async function advance(seconds) {
  const headers = { 'content-type': 'application/json' }
  await fetch(clockUrl, { method: 'POST', headers, body: JSON.stringify({ advance: seconds }) })
  client[oauth.clockSkew] += seconds
}
