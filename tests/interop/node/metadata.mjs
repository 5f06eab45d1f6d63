// The MCP SDK finds and parses both documents of a running server: node metadata.mjs http://localhost:PORT
import assert from 'node:assert/strict'
import {
  discoverAuthorizationServerMetadata,
  discoverOAuthProtectedResourceMetadata,
  extractWWWAuthenticateParams,
  startAuthorization,
} from '@modelcontextprotocol/sdk/client/auth.js'

const api = process.argv[2]

const refused = await fetch(`${api}/balance`)
assert.equal(refused.status, 401)
const { resourceMetadataUrl } = extractWWWAuthenticateParams(refused)
assert.equal(resourceMetadataUrl.href, `${api}/.well-known/oauth-protected-resource`)

const resource = await discoverOAuthProtectedResourceMetadata(api, { resourceMetadataUrl })
assert.equal(resource.resource, api)
assert.deepEqual(resource.authorization_servers, [api])

const server = await discoverAuthorizationServerMetadata(resource.authorization_servers[0])
assert.equal(server.issuer, api)
assert.ok(server.authorization_endpoint && server.token_endpoint && server.code_challenge_methods_supported.includes('S256'))

// Where it would send a browser, a person reads that there is nothing to do.
const { authorizationUrl } = await startAuthorization(api, {
  metadata: server,
  clientInformation: { client_id: 'bank-cli' },
  redirectUrl: 'http://127.0.0.1:1/callback',
})
const page = await fetch(authorizationUrl, { redirect: 'manual' })
assert.equal(page.status, 400)
assert.match(await page.text(), /This server is asked by its apps/)
console.log('everything held')
