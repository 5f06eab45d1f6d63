// node oidc-provider as the identity provider of a test: `node oidc_provider.mjs '{"policy": "stock"}'`.
// It says where it is on its first line. Its one login page takes a name, and a code where there is one.
import { createServer } from "node:http";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import Provider, { errors, interactionPolicy } from "oidc-provider";

const asked = { policy: "check", par: true, claims: true, dpop: true, nonces: false, life: 300, port: 0, format: "jwt", client: "cli", ...JSON.parse(process.argv[2] ?? "{}") };
const ACRS = ["pwd", "mfa", "phr"];
const reached = (had, wanted) => ACRS.indexOf(had) >= ACRS.indexOf(wanted);

const server = createServer();
await new Promise((ready) => server.listen(asked.port, "127.0.0.1", ready));
const issuer = `http://127.0.0.1:${server.address().port}`;
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const key = { ...privateKey.export({ format: "jwk" }), kid: "k1", use: "sig", alg: "ES256" };

// The stock policy leaves plain acr_values alone; a deployment that means them adds a check.
const policy = interactionPolicy.base();
if (asked.policy === "check") {
  const unmet = new interactionPolicy.Check("acr", "the person has to prove more", "login_required", (ctx) => {
    const { acr_values: values, claims } = ctx.oidc.params;
    const essential = claims === undefined ? [] : (JSON.parse(claims).id_token?.acr?.values ?? []);
    const wanted = [...(values?.split(" ") ?? []), ...essential];
    const had = ctx.oidc.session.acr;
    return wanted.length > 0 && !wanted.some((one) => had !== undefined && reached(had, one));
  });
  policy.get("login").checks.add(unmet);
}

const api = { audience: undefined, scope: "transfers", accessTokenTTL: asked.life, accessTokenFormat: asked.format, jwt: { sign: { alg: "ES256" } } };
const provider = new Provider(issuer, {
  jwks: { keys: [key] },
  clients: [
    {
      client_id: asked.client,
      application_type: "native",
      token_endpoint_auth_method: "none",
      redirect_uris: ["http://127.0.0.1/callback"],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      id_token_signed_response_alg: "ES256",
    },
    // The API, which asks about tokens that it cannot read.
    { client_id: "the api", client_secret: "a secret: %", grant_types: [], response_types: [], redirect_uris: [], id_token_signed_response_alg: "ES256" },
  ],
  acrValues: ACRS,
  claims: { openid: ["sub"], profile: ["preferred_username"], acr: null, amr: null, auth_time: null },
  conformIdTokenClaims: false,
  scopes: ["openid", "offline_access", "profile"],
  interactions: { policy, url: (_, interaction) => `/interaction/${interaction.uid}` },
  cookies: { keys: [randomBytes(16).toString("hex")] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id }) }),
  extraTokenClaims(ctx) {
    const from = ctx.oidc.entities.AuthorizationCode ?? ctx.oidc.entities.RefreshToken;
    return { acr: from?.acr, amr: from?.amr, auth_time: from?.authTime };
  },
  async loadExistingGrant(ctx) {
    const { client, session } = ctx.oidc;
    const known = session.grantIdFor(client.clientId);
    const grant = (known && (await ctx.oidc.provider.Grant.find(known))) || new ctx.oidc.provider.Grant({ accountId: session.accountId, clientId: client.clientId });
    grant.addOIDCScope("openid offline_access profile");
    for (const resource of [ctx.oidc.params.resource ?? []].flat()) grant.addResourceScope(resource, "transfers");
    await grant.save();
    return grant;
  },
  rotateRefreshToken: true,
  issueRefreshToken: async (_, client, code) => client.grantTypeAllowed("refresh_token") && code.scopes.has("offline_access"),
  ttl: { AccessToken: asked.life, IdToken: 300, Session: 3600, Grant: 3600, Interaction: 600, RefreshToken: 3600 },
  features: {
    devInteractions: { enabled: false },
    claimsParameter: { enabled: asked.claims },
    dPoP: { enabled: asked.dpop, ...(asked.nonces && { nonceSecret: randomBytes(32), requireNonce: () => true }) },
    introspection: { enabled: true, allowedPolicy: () => true },
    pushedAuthorizationRequests: { enabled: asked.par },
    resourceIndicators: { enabled: true, getResourceServerInfo: (_, resource) => ({ ...api, audience: resource }) },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    userinfo: { enabled: false },
  },
});

const page = (uid, note) => `<!doctype html><meta charset="utf-8"><title>Sign in</title><form method="post" action="/interaction/${uid}">
<p>${note}</p><input name="name" autofocus><input name="code"><button name="do" value="login">Sign in</button>
<button name="do" value="decline">No</button><button name="do" value="cannot">I cannot</button></form>`;
const ends = { decline: { error: "access_denied", error_description: "<b>no</b>" }, cannot: { error: "unmet_authentication_requirements" } };

async function interaction(request, response) {
  const { uid, prompt, session } = await provider.interactionDetails(request, response);
  if (request.method === "GET" && prompt.name === "login") {
    response.setHeader("content-type", "text/html");
    response.end(page(uid, prompt.reasons.join(" ")));
    return;
  }
  let result = { consent: {} };
  if (prompt.name === "consent") {
    const grant = await provider.Grant.find((await provider.interactionDetails(request, response)).grantId);
    result = { consent: { grantId: grant?.jti } };
  } else {
    let body = "";
    for await (const chunk of request) body += chunk;
    const form = new URLSearchParams(body);
    const acr = { "": "pwd", 123456: "mfa" }[form.get("code")] ?? "phr";
    result = ends[form.get("do")] ?? { login: { accountId: form.get("name") || session?.accountId, acr, amr: acr === "pwd" ? ["pwd"] : ["pwd", "otp"] } };
  }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

const answer = provider.callback();
server.on("request", (request, response) => {
  if (!request.url.startsWith("/interaction/")) return answer(request, response);
  interaction(request, response).catch((error) => {
    response.statusCode = error instanceof errors.SessionNotFound ? 400 : 500;
    response.end(`<p>${error.message}</p>`);
    console.error(error);
  });
});
console.log(issuer);
