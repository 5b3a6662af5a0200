// oidc-provider as the interop tests need it: on loopback, without a page to click through unless a
// browser is to see one.
//
//   node op.mjs CONFIG.json          the keys of CONFIG and their defaults: see cfg below
//
// It prints "READY ISSUER" on a line of its own once it serves, and stops on SIGTERM or SIGINT; with
// OP_STDIN_TIES=1 also at the end of its standard input, so that it cannot outlive its test.
import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import { Provider, errors } from 'oidc-provider';

const cfg = {
  host: '127.0.0.1',
  port: 0,                  // 0: a free one
  interaction: 'auto',      // 'auto': every login and consent approved at once; 'dev': the provider's own pages
  account: 'alice',         // who logs in under 'auto' when no login_hint says otherwise
  clients: [],              // static clients, OIDC registration metadata names
  signing: ['RS256', 'ES256', 'EdDSA', 'PS256'], // of ID tokens; each gets a key
  dpopNonce: false,         // require server nonces in DPoP proofs (use_dpop_nonce)
  requirePAR: false,
  requirePKCE: true,
  fapi: undefined,          // '2.0'
  rotate: true,             // refresh token rotation with reuse detection
  ttl: {},                  // e.g. {"AccessToken": 5, "IdToken": 5}
  tls: undefined,           // {cert, key, clientCA?}: PEM file names; enables https and mTLS
  mtlsHost: undefined,      // the host of mtls_endpoint_aliases
  resources: {},            // RFC 8707: {"https://api.example/": {"scope": "api:read", "accessTokenFormat": "jwt", "jwt": {...}}}
  pairwise: false,
  postMethods: false,       // take POST at the authorization and end_session endpoints; cookies are SameSite=None then: wants tls
  ...(process.argv[2] ? JSON.parse(fs.readFileSync(process.argv[2], 'utf8')) : {}),
};

// Keys are made at each start: none is ever committed.
function jwk(alg) {
  const gen = {
    RS256: () => crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }),
    PS256: () => crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ES256: () => crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    ES384: () => crypto.generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    EdDSA: () => crypto.generateKeyPairSync('ed25519'),
  }[alg]();
  return { ...gen.privateKey.export({ format: 'jwk' }), use: 'sig', alg, kid: `${alg}-${crypto.randomBytes(4).toString('hex')}` };
}
const keys = cfg.signing.map(jwk);
// One more, for what is encrypted to the provider.
keys.push({ ...crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }), use: 'enc', kid: 'enc-1' });

// Every name is an account, but one. The account "member" makes an ID token with groups long.
const many = Array.from({ length: 200 }, (_, i) => `project-${i}`);
async function findAccount(_ctx, id) {
  if (id === 'ghost') return undefined;
  return {
    accountId: id,
    async claims() {
      return {
        sub: id, name: `${id[0].toUpperCase()}${id.slice(1)} Example`, given_name: id, family_name: 'Example',
        preferred_username: id, email: `${id}@example.test`, email_verified: true,
        phone_number: '+1 555 0100', phone_number_verified: false,
        address: { locality: 'Prague', country: 'CZ' },
        groups: ['staff', id === 'alice' ? 'admins' : 'users', ...(id === 'member' ? many : [])],
      };
    },
  };
}

const server = cfg.tls
  ? https.createServer({
    cert: fs.readFileSync(cfg.tls.cert), key: fs.readFileSync(cfg.tls.key),
    requestCert: true, rejectUnauthorized: false,
    ...(cfg.tls.clientCA ? { ca: fs.readFileSync(cfg.tls.clientCA) } : {}),
  })
  : http.createServer();
await new Promise((ok, no) => { server.once('error', no); server.listen(cfg.port, cfg.host, ok); });
const issuer = cfg.issuer ?? `${cfg.tls ? 'https' : 'http'}://${cfg.host}:${server.address().port}`;

// All that a client may be registered with to have things encrypted to it.
const encryption = ['RSA-OAEP', 'RSA-OAEP-256', 'ECDH-ES', 'ECDH-ES+A128KW', 'ECDH-ES+A192KW', 'ECDH-ES+A256KW'];
const contents = ['A128GCM', 'A192GCM', 'A256GCM', 'A128CBC-HS256', 'A192CBC-HS384', 'A256CBC-HS512'];

// RFC 8705 section 5: other names for the endpoints that a client shows its certificate to.
const aliased = cfg.mtlsHost && issuer.replace(cfg.host, cfg.mtlsHost);
const aliases = aliased && {
  token_endpoint: `${aliased}/token`, revocation_endpoint: `${aliased}/token/revocation`,
  introspection_endpoint: `${aliased}/token/introspection`, userinfo_endpoint: `${aliased}/me`,
};

const provider = new Provider(issuer, {
  ...(aliases ? { discovery: { mtls_endpoint_aliases: aliases } } : {}),
  clients: cfg.clients,
  jwks: { keys },
  findAccount,
  cookies: {
    keys: [crypto.randomBytes(16).toString('hex')],
    ...(cfg.postMethods ? { long: { httpOnly: true, sameSite: 'none', secure: true } } : {}),
  },
  enableHttpPostMethods: cfg.postMethods,
  claims: {
    address: ['address'],
    email: ['email', 'email_verified'],
    groups: ['groups'],
    phone: ['phone_number', 'phone_number_verified'],
    profile: ['name', 'given_name', 'family_name', 'preferred_username'],
  },
  scopes: ['openid', 'offline_access', 'groups'],
  acrValues: ['urn:example:bronze', 'urn:example:silver'],
  subjectTypes: cfg.pairwise ? ['public', 'pairwise'] : ['public'],
  async pairwiseIdentifier(_ctx, accountId, client) {
    return crypto.createHash('sha256').update(client.sectorIdentifier).update(accountId).digest('hex');
  },
  responseTypes: ['code', 'id_token', 'code id_token', 'code token', 'code id_token token', 'id_token token', 'none'],
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 'none',
    ...(cfg.tls ? ['tls_client_auth', 'self_signed_tls_client_auth'] : [])],
  clientDefaults: { grant_types: ['authorization_code', 'refresh_token'] },
  enabledJWA: {
    idTokenSigningAlgValues: [...new Set([...cfg.signing, 'HS256'])],
    clientAuthSigningAlgValues: ['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512',
      'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
    idTokenEncryptionAlgValues: encryption, userinfoEncryptionAlgValues: encryption,
    idTokenEncryptionEncValues: contents, userinfoEncryptionEncValues: contents,
  },
  pkce: { required: () => cfg.requirePKCE }, // S256 is the only method
  rotateRefreshToken: cfg.rotate,
  // The library's own policy wants offline_access and prompt=consent; here the grant type is enough.
  async issueRefreshToken(_ctx, client) { return client.grantTypeAllowed('refresh_token'); },
  // The library's dispatcher refuses loopback addresses, where all URIs of a test's client are.
  fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
  ttl: { AccessToken: 3600, AuthorizationCode: 60, IdToken: 3600, RefreshToken: 86400, Session: 86400, Grant: 86400, Interaction: 600, DeviceCode: 600, ...cfg.ttl },
  extraTokenClaims: () => ({}),
  features: {
    devInteractions: { enabled: cfg.interaction === 'dev' },
    backchannelLogout: { enabled: true },
    claimsParameter: { enabled: true },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    dPoP: { enabled: true, nonceSecret: crypto.randomBytes(32), requireNonce: () => cfg.dpopNonce },
    encryption: { enabled: true },
    ...(cfg.fapi ? { fapi: { enabled: true, profile: cfg.fapi } } : {}),
    introspection: { enabled: true },
    jwtIntrospection: { enabled: true },
    jwtResponseModes: { enabled: true },     // JARM
    jwtUserinfo: { enabled: true },
    pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: cfg.requirePAR },
    registration: { enabled: true },
    registrationManagement: { enabled: true },
    requestObjects: { enabled: true },       // JAR by value
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(_ctx, resource) {
        if (cfg.resources[resource]) return cfg.resources[resource];
        throw new errors.InvalidTarget();
      },
    },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    ...(cfg.tls ? {
      mTLS: {
        enabled: true, certificateBoundAccessTokens: true, selfSignedTlsClientAuth: true, tlsClientAuth: true,
        getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.(),
        certificateAuthorized: (ctx) => ctx.socket.authorized,
        certificateSubjectMatches: (ctx, property, expected) => {
          const cert = ctx.socket.getPeerX509Certificate();
          return property === 'tls_client_auth_san_dns' ? (cert.subjectAltName ?? '').split(', ').includes(`DNS:${expected}`)
            : property === 'tls_client_auth_subject_dn' ? cert.subject.split('\n').reverse().join(',') === expected : false;
        },
      },
    } : {}),
  },
});

// 'auto' answers the interaction's URL instead of showing a page there:
//   login_hint=deny  refuses with access_denied       login_hint=NAME  signs in as NAME
//   acr_values=X     puts acr X into the ID token
if (cfg.interaction === 'auto') {
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    const { prompt, params, session, grantId } = await provider.interactionDetails(ctx.req, ctx.res);
    if (params.login_hint === 'deny') {
      return finish(ctx, { error: 'access_denied', error_description: 'End-User aborted interaction' });
    }
    const result = {};
    let accountId = session?.accountId;
    if (prompt.name === 'login') {
      accountId = params.login_hint ?? cfg.account;
      result.login = { accountId, amr: ['pwd'], ...(params.acr_values ? { acr: params.acr_values.split(' ')[0] } : {}) };
    }
    // All that was asked for is granted in the same round trip.
    const grant = (grantId && await provider.Grant.find(grantId)) || new provider.Grant({ accountId, clientId: params.client_id });
    const claims = params.claims ? JSON.parse(params.claims) : {};
    grant.addOIDCScope(params.scope ?? 'openid');
    grant.addOIDCClaims([...Object.keys(claims.id_token ?? {}), ...Object.keys(claims.userinfo ?? {})]);
    for (const r of [params.resource ?? []].flat()) if (cfg.resources[r]) grant.addResourceScope(r, cfg.resources[r].scope);
    result.consent = { grantId: await grant.save() };
    return finish(ctx, result);
  });
}
async function finish(ctx, result) {
  ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: true }));
}

for (const ev of ['server_error', 'backchannel.error', 'grant.error', 'authorization.error', 'introspection.error', 'userinfo.error',
  'registration_create.error', 'pushed_authorization_request.error', 'end_session.error', 'device_authorization.error', 'revocation.error']) {
  provider.on(ev, (ctx, err) => console.error(`[${ev}]`, ctx?.method, ctx?.path, err?.error ?? err?.name, err?.error_description ?? err?.message, err?.error_detail ?? ''));
}
provider.on('backchannel.success', (_ctx, client, sub, sid) => console.error('[backchannel.success]', client.clientId, sub, sid));

server.on('request', provider.callback());
console.log(`READY ${issuer}`);
const stop = () => { server.close(); server.closeAllConnections(); process.exit(0); };
process.on('SIGTERM', stop).on('SIGINT', stop);
if (process.env.OP_STDIN_TIES) { process.stdin.on('end', stop).resume(); }
