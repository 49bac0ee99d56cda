// What is this plugin's own; the acceptance kit of authd looks at the rest. Run: node --test
'use strict';

const assert = require('node:assert/strict');
const http = require('node:http');
const test = require('node:test');

const { twitch, tokenOf } = require('./index.js');
const { ask, checkSettings, ConfigError, UpstreamError, UserError } = require('./plugin.js');

const settings = checkSettings(twitch, { client_id: 'me', client_secret: 's3cret' });

// idp answers every request with what respond does, until the end of the test.
async function idp(t, respond) {
  const server = http.createServer(respond);
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => { server.closeAllConnections(); server.close(); });
  return `http://127.0.0.1:${server.address().port}`;
}

const json = (status, value, headers = {}) => (_, response) => response.writeHead(status, headers).end(JSON.stringify(value));

test('settings: every fault at once', () => {
  assert.throws(() => checkSettings(twitch, { auth_url: 'nowhere', colour: 'red' }), (e) => {
    assert.ok(e instanceof ConfigError);
    assert.deepEqual(e.diagnostics.map((d) => d.setting), ['client_id', 'client_secret', 'auth_url', 'colour']);
    return true;
  });
  assert.equal(settings.token_url, 'https://id.twitch.tv/oauth2/token');
});

test('authorize params', () => {
  const { authorization_endpoint, parameters } = twitch.create({ settings }).authorizeParams({ scope: ['openid'], prompt: 'login', login_hint: 'ada' });
  assert.equal(authorization_endpoint, 'https://id.twitch.tv/oauth2/authorize');
  assert.equal(parameters.scope, 'openid');
  assert.equal(parameters.force_verify, 'true');
  assert.deepEqual(Object.keys(JSON.parse(parameters.claims).userinfo), ['email', 'email_verified', 'picture', 'preferred_username']);
});

test('token response', () => {
  const token = tokenOf({ access_token: 'a', token_type: 'bearer', scope: ['openid', 'x'], expires_in: 3600, refresh_token: 'r' });
  assert.deepEqual(token.scope, ['openid', 'x']);
  assert.ok(token.expiry.seconds > Date.now() / 1000 + 3000);
  for (const bad of [{}, { access_token: '' }, { access_token: 'a' }, { access_token: 'a', token_type: 'mac' }, { access_token: 'a b', token_type: 'bearer' }]) {
    assert.throws(() => tokenOf(bad), UpstreamError);
  }
});

test('a user, with numbers as they came', async (t) => {
  const body = '{"sub":"7","preferred_username":"ada","email":"ada@example.org","email_verified":true,"n":9007199254740993}';
  const url = await idp(t, (_, response) => response.end(body));
  const user = await twitch.create({ settings: { ...settings, user_info_url: url } }).getUserInfo({ token: { access_token: 'a' } });
  assert.deepEqual([user.sub, user.preferred_username, user.email_verified, user.claims_json.toString()], ['7', 'ada', true, body]);
});

test('nobody is no user', async (t) => {
  for (const said of [{}, { sub: '' }, { sub: 7 }]) {
    const url = await idp(t, json(200, said));
    await assert.rejects(twitch.create({ settings: { ...settings, user_info_url: url } }).getUserInfo({ token: { access_token: 'a' } }), UpstreamError);
  }
});

test('whose fault an answer is', async (t) => {
  for (const [respond, kind, more] of [
    [json(400, { error: 'invalid_grant' }), UserError, { code: 'invalid_grant' }],
    [json(401, { error: 'invalid_client' }), ConfigError, { code: 'invalid_client' }],
    [json(200, { error: 'access_denied' }), UserError, { code: 'access_denied' }],
    [json(400, { error: '<b>' }), UpstreamError, { code: '' }],
    [json(429, {}, { 'retry-after': '7' }), UpstreamError, { retryAfter: 7 }],
    [json(503, { error: 'invalid_grant' }), UpstreamError, { code: '' }],
    [json(302, {}, { location: '/elsewhere' }), UpstreamError, { status: 302 }],
    [json(200, null), UpstreamError, {}],
    [json(200, []), UpstreamError, {}],
    [(_, response) => response.end('<html>'), UpstreamError, {}],
    [(_, response) => response.end(' '.repeat((1 << 20) + 1)), UpstreamError, {}],
    [(_, response) => response.destroy(), UpstreamError, {}],
  ]) {
    const url = await idp(t, respond);
    await assert.rejects(ask(`${url}/token?code=c`, { form: { a: '1' } }), (e) => {
      assert.ok(e instanceof kind, `${e}`);
      assert.ok(!e.message.includes('code=c'));
      for (const [name, value] of Object.entries(more)) assert.equal(e[name], value);
      return true;
    });
  }
});

test('who gives up leaves', async (t) => {
  const caller = new AbortController();
  let left;
  const gone = new Promise((resolve) => { left = resolve; });
  const url = await idp(t, (request) => { request.on('close', left); caller.abort(); });
  await assert.rejects(ask(url, { signal: caller.signal }), (e) => e instanceof UpstreamError && e.timeout);
  await gone;
});

test('http is for the loopback', async () => {
  await assert.rejects(ask('http://example.org/x'), UpstreamError);
});
