#!/usr/bin/env node
// Sign in with Twitch. What is special to Twitch is in this file; plugin.js is the same for every provider.
'use strict';

const { serve, ask, UpstreamError } = require('./plugin.js');

const url = 'https?://[^\\s#]+';

const twitch = {
  name: 'twitch',
  label: 'Twitch',
  documentation_url: 'https://dev.twitch.tv/docs/authentication/register-app/',
  icon_svg: '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path fill="#9146ff" d="M5 2 2 6v13h5v3h3l3-3h4l5-5V2zm15 11-3 3h-4l-3 3v-3H6V4h14zM16 7h2v5h-2zm-5 0h2v5h-2z"/></svg>',
  default_scopes: ['openid', 'user:read:email'],
  identifier: 'preferred_username',
  settings: [
    { name: 'client_id', env: 'OAUTH_TWITCH_CLIENT_ID', required: true, help: 'Client ID that Twitch gave to this application.' },
    { name: 'client_secret', env: 'OAUTH_TWITCH_CLIENT_SECRET', required: true, secret: true, help: 'Client secret that belongs to the client ID.' },
    { name: 'auth_url', env: 'OAUTH_TWITCH_AUTH_URL', default_value: 'https://id.twitch.tv/oauth2/authorize', pattern: url, help: 'Authorization endpoint.' },
    { name: 'token_url', env: 'OAUTH_TWITCH_TOKEN_URL', default_value: 'https://id.twitch.tv/oauth2/token', pattern: url, help: 'Token endpoint.' },
    { name: 'user_info_url', env: 'OAUTH_TWITCH_USER_INFO_URL', default_value: 'https://id.twitch.tv/oauth2/userinfo', pattern: url, help: 'UserInfo endpoint.' },
  ],
  create,
};

// Twitch tells of somebody only what the authorization request names.
const claims = JSON.stringify({ userinfo: { email: null, email_verified: null, picture: null, preferred_username: null } });

// create gets settings that were checked already, and returns the methods of one provider.
function create({ settings, insecure_http }) {
  const { client_id, client_secret, auth_url, token_url, user_info_url } = settings;

  async function redeem(form, signal) {
    const { json } = await ask(token_url, { form: { client_id, client_secret, ...form }, signal, insecure_http });
    return tokenOf(json);
  }

  return {
    authorizationEndpoint: auth_url,

    authorizeParams({ scope, prompt, login_hint }) {
      const params = { scope: scope.join(' '), claims };
      if (prompt) params.prompt = prompt;
      if (prompt === 'login') params.force_verify = 'true'; // Twitch's own word for it
      if (login_hint) params.login_hint = login_hint;
      return { authorization_endpoint: auth_url, parameters: params };
    },

    getToken({ code, redirect_uri, code_verifier }, signal) {
      return redeem({ grant_type: 'authorization_code', code, redirect_uri, code_verifier }, signal);
    },

    refreshToken({ token }, signal) {
      return redeem({ grant_type: 'refresh_token', refresh_token: token.refresh_token }, signal);
    },

    async getUserInfo({ token }, signal) {
      const { json, body } = await ask(user_info_url, { bearer: token.access_token, signal, insecure_http });
      if (typeof json.sub !== 'string' || json.sub === '') throw new UpstreamError('the UserInfo endpoint names nobody');
      return {
        sub: json.sub, // the number of the account; the login name can be changed, and taken by somebody else
        preferred_username: text(json.preferred_username),
        name: text(json.preferred_username),
        email: text(json.email),
        email_verified: typeof json.email_verified === 'boolean' ? json.email_verified : undefined,
        picture: text(json.picture),
        claims_json: body, // as it came: JSON.parse spoils numbers above 2^53
      };
    },
  };
}

// tokenOf checks a token response (RFC 6749 section 5.1). Twitch sends the scope as a list.
function tokenOf(said) {
  if (typeof said.access_token !== 'string' || !/^[!-~]+$/.test(said.access_token)) {
    throw new UpstreamError('the token response holds no access_token');
  }
  if (text(said.token_type).toLowerCase() !== 'bearer') throw new UpstreamError('the token_type is not Bearer');
  const life = Number(said.expires_in);
  return {
    access_token: said.access_token,
    token_type: said.token_type,
    refresh_token: text(said.refresh_token),
    id_token: text(said.id_token),
    scope: Array.isArray(said.scope) ? said.scope.map(String) : text(said.scope).split(' ').filter(Boolean),
    expiry: life > 0 ? { seconds: Math.floor(Date.now() / 1000 + Math.min(Math.max(life, 30), 31536000)), nanos: 0 } : undefined,
  };
}

const text = (value) => (typeof value === 'string' ? value : '');

module.exports = { twitch, tokenOf };
if (require.main === module) serve(twitch, { version: '1.0.0' });
