// An OpenID Provider for the end-to-end tests: npm's oidc-provider with a login form of our own.
//
//   node server.mjs CONFIG.json
//
// CONFIG.json: { issuer, port, clients: [client metadata], accounts: [{ sub, username, password, claims: {...} }],
//                accessTokenTTL (seconds), rotateRefreshTokens }
// The issuer listens on 127.0.0.1:port. PKCE with S256 is required, consent is given by itself, and the form asks
// for a username and a password of the accounts. It ends on SIGTERM.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import Provider from 'oidc-provider';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const accounts = new Map(config.accounts.map((account) => [account.sub, account]));

const scopeClaims = {
  openid: ['sub'],
  profile: ['name', 'given_name', 'family_name', 'preferred_username', 'picture', 'locale', 'updated_at'],
  email: ['email', 'email_verified'],
  groups: ['groups'],
};

const provider = new Provider(config.issuer, {
  clients: config.clients,
  claims: scopeClaims,
  scopes: ['openid', 'offline_access', ...Object.keys(scopeClaims)],
  // Claims in the ID token too, as Keycloak and Entra do: both places are then tested.
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  clientBasedCORS: () => false,
  findAccount: async (_ctx, sub) => {
    const account = accounts.get(sub);
    return account && { accountId: sub, claims: async () => ({ ...account.claims, sub }) };
  },
  issueRefreshToken: async (_ctx, client, code) =>
    client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
  rotateRefreshToken: () => config.rotateRefreshTokens,
  loadExistingGrant,
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  features: {
    devInteractions: { enabled: false },
    rpInitiatedLogout: { enabled: true },
    backchannelLogout: { enabled: true },
    revocation: { enabled: true },
    introspection: { enabled: true },
  },
  ttl: {
    AccessToken: config.accessTokenTTL,
    IdToken: 3600,
    RefreshToken: 86400,
    Session: 86400,
    Grant: 86400,
    Interaction: 600,
  },
  cookies: { keys: ['only for tests'] },
});

// Consent is not what is tested: everything that is asked for is granted.
async function loadExistingGrant(ctx) {
  const { client, session, params } = ctx.oidc;
  const known = session.grantIdFor(client.clientId);
  const grant = (known && (await provider.Grant.find(known)))
    ?? new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope(params.scope);
  await grant.save();
  return grant;
}

const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text) => String(text).replace(/[&<>"']/g, (c) => escapes[c]);

function form(uid, message, username) {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Test provider</title></head><body>
<h1>Test provider</h1><p role="alert">${escape(message)}</p>
<form method="post" action="/interaction/${escape(uid)}">
<label>Username <input id="username" name="username" value="${escape(username)}" autocomplete="username"></label>
<label>Password <input id="password" name="password" type="password" autocomplete="current-password"></label>
<button id="login" type="submit">Sign in</button>
<button id="cancel" type="submit" name="cancel" value="1">Cancel</button>
</form></body></html>`;
}

async function body(req) {
  let text = '';
  for await (const chunk of req) {
    text += chunk;
    if (text.length > 10_000) throw new Error('form too large');
  }
  return new URLSearchParams(text);
}

function page(res, status, html) {
  res.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
  res.end(html);
}

async function interaction(req, res) {
  const { uid, params, prompt, session } = await provider.interactionDetails(req, res);
  if (prompt.name === 'consent') {
    // offline_access comes with prompt=consent; nobody has to press a button for it.
    const grant = new provider.Grant({ clientId: params.client_id, accountId: session.accountId });
    grant.addOIDCScope(params.scope);
    await provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } });
    return;
  }
  if (req.method !== 'POST') {
    page(res, 200, form(uid, '', params.login_hint ?? ''));
    return;
  }
  const fields = await body(req);
  if (fields.has('cancel')) {
    const result = { error: 'access_denied', error_description: 'the user cancelled' };
    await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false });
    return;
  }
  const account = [...accounts.values()].find((a) => a.username === fields.get('username'));
  if (!account || account.password !== fields.get('password')) {
    page(res, 401, form(uid, 'Wrong username or password', fields.get('username') ?? ''));
    return;
  }
  await provider.interactionFinished(req, res, { login: { accountId: account.sub } });
}

const fallback = provider.callback();
const server = createServer((req, res) => {
  if (!req.url.startsWith('/interaction/')) {
    fallback(req, res);
    return;
  }
  interaction(req, res).catch((err) => page(res, 400, `<!doctype html><title>Error</title>${escape(err.message)}`));
});

provider.on('server_error', (_ctx, err) => console.error('server_error', err));
for (const event of ['authorization.error', 'grant.error', 'userinfo.error', 'end_session.error', 'backchannel.error']) {
  provider.on(event, (_ctx, err) => console.error(event, err?.message, err?.error_description ?? ''));
}
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});

server.listen(config.port, '127.0.0.1');
await once(server, 'listening');
console.log(`issuer ${config.issuer}`);
