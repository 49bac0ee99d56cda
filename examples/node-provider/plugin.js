// The runtime of a provider plugin: docs/plugins/protocol.md in code. Copy it as it is.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

const COOKIE = ['AUTHD_PROVIDER_PLUGIN', '9f0c5b2e6d7b4a1f8c3e'];
const PROTOCOL_MINOR = 0;
const MAX_BODY = 1 << 20;
const CALL_TIMEOUT = 10_000;
const MAX_ERROR_TEXT = 2048;

const status = { OK: 0, INVALID_ARGUMENT: 3, DEADLINE_EXCEEDED: 4, PERMISSION_DENIED: 7, RESOURCE_EXHAUSTED: 8, FAILED_PRECONDITION: 9, UNIMPLEMENTED: 12, INTERNAL: 13, UNAVAILABLE: 14, UNAUTHENTICATED: 16 };

// ---- errors, which say whose fault they are; their texts hold no secret ----

class ProviderError extends Error {
  constructor(description, more = {}) {
    super(description);
    Object.assign(this, { source: 'SOURCE_PLUGIN', code: '', status: 0, retryAfter: 0, timeout: false, diagnostics: [] }, more);
  }
}
class UserError extends ProviderError {
  constructor(code, description, more) { super(description, { source: 'SOURCE_USER', code, ...more }); }
}
class UpstreamError extends ProviderError {
  constructor(description, more) { super(description, { source: 'SOURCE_UPSTREAM', ...more }); }
}
class ConfigError extends ProviderError {
  constructor(diagnostics, more) { super('', { source: 'SOURCE_CONFIG', diagnostics, ...more }); }
}
const fault = (setting, summary, detail = '') => ({ severity: 'SEVERITY_ERROR', setting, summary, detail });

// Refusal is a status without a ProviderError: the call came at the wrong time.
class Refusal extends Error {
  constructor(code, message) { super(message); this.code = code; }
}

function grpcCode(e) {
  switch (e.source) {
    case 'SOURCE_USER': return e.code === 'invalid_grant' ? status.UNAUTHENTICATED : status.PERMISSION_DENIED;
    case 'SOURCE_CONFIG': return status.INVALID_ARGUMENT;
    case 'SOURCE_UPSTREAM':
      if (e.timeout) return status.DEADLINE_EXCEEDED;
      return e.retryAfter > 0 ? status.RESOURCE_EXHAUSTED : status.UNAVAILABLE;
    default: return status.INTERNAL;
  }
}

// ---- requests to the identity provider ----

const USER_CODES = new Set(['invalid_grant', 'access_denied', 'login_required', 'interaction_required', 'consent_required', 'account_selection_required']);
const CONFIG_CODES = { invalid_client: 'client_secret', unauthorized_client: 'client_id', unsupported_grant_type: 'client_id', invalid_scope: 'scopes', redirect_uri_mismatch: 'callback_path' };

// ask sends one request, once: a POST when there is a form, else a GET. It follows no redirect, takes 1 MiB at most and
// leaves with its caller. The answer is a JSON object; anything else is an UpstreamError, or whose fault it is.
async function ask(url, { form, bearer, signal, insecure_http = false } = {}) {
  const at = new URL(url);
  const what = at.origin + at.pathname; // without the query, which may hold what was sent
  if (at.protocol !== 'https:' && !(at.protocol === 'http:' && (insecure_http || isLoopback(at.hostname)))) {
    throw new UpstreamError(`${what}: is http, which is for the loopback alone; use https, or set insecure_http`);
  }
  const headers = { Accept: 'application/json', 'User-Agent': 'authd' };
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  const limit = AbortSignal.timeout(CALL_TIMEOUT);
  const init = { method: form ? 'POST' : 'GET', headers, redirect: 'manual', signal: signal ? anyOf(signal, limit) : limit };
  if (form) init.body = new URLSearchParams(form);
  try {
    const response = await fetch(at, init);
    const body = await readBody(response, what);
    return { json: judge(response, body, what), body, status: response.status };
  } catch (e) {
    if (e instanceof ProviderError) throw e;
    if (init.signal.aborted) throw new UpstreamError(`${what}: is too slow`, { timeout: true });
    throw new UpstreamError(`${what}: can't be asked (${e.cause?.code ?? e.name})`);
  }
}

// anyOf is AbortSignal.any, which Node 18 lacks.
function anyOf(...signals) {
  const all = new AbortController();
  for (const signal of signals) {
    if (signal.aborted) all.abort();
    signal.addEventListener('abort', () => all.abort(), { once: true });
  }
  return all.signal;
}

const isLoopback = (host) => host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);

async function readBody(response, what) {
  const chunks = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_BODY) throw new UpstreamError(`${what}: the answer has more than ${MAX_BODY} bytes`, { status: response.status });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

// judge returns the JSON object of a good answer, and throws what any other one stands for.
function judge(response, body, what) {
  const more = { status: response.status, retryAfter: retryAfter(response) };
  if (response.status >= 300 && response.status < 400) throw new UpstreamError(`${what}: answers with a redirect, which is not followed`, more);
  if (response.status === 429) throw new UpstreamError(`${what}: asks for fewer requests`, more);
  if (response.status >= 500) throw new UpstreamError(`${what}: fails`, more);
  let json;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    throw new UpstreamError(`${what}: the answer is no JSON`, more);
  }
  if (json === null || typeof json !== 'object' || Array.isArray(json)) throw new UpstreamError(`${what}: the answer is no JSON object`, more);
  if (json.error) throw refusal(String(json.error), what, more);
  if (!response.ok) throw new UpstreamError(`${what}: refuses the request without saying why`, more);
  return json;
}

// refusal is for an error of RFC 6749 section 5.2. Its description is left out: some repeat in it what they were sent.
function refusal(said, what, more) {
  const code = /^[A-Za-z0-9_.-]{1,64}$/.test(said) ? said : '';
  if (USER_CODES.has(code)) return new UserError(code, `${what}: refuses the request`, more);
  if (CONFIG_CODES[code]) return new ConfigError([fault(CONFIG_CODES[code], `is not accepted by the identity provider (${code})`)], { code, ...more });
  return new UpstreamError(`${what}: refuses the request`, { code, ...more });
}

function retryAfter(response) {
  const text = response.headers.get('retry-after') ?? '';
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return seconds > 0 ? Math.min(seconds, 3600) : 0;
}

// ---- settings ----

// checkSettings fills in defaults, and names every fault at once.
function checkSettings(type, values) {
  const complete = {};
  const faults = [];
  for (const s of type.settings) {
    const value = values[s.name] || s.default_value || '';
    if (value) complete[s.name] = value;
    if (!value && s.required) faults.push(fault(s.name, 'is not set', `set it, or ${s.env} in the environment`));
    else if (value && s.pattern && !new RegExp(`^(?:${s.pattern})$`, 'u').test(value)) faults.push(fault(s.name, 'is malformed', s.help));
  }
  for (const name of Object.keys(values)) {
    if (!type.settings.some((s) => s.name === name)) faults.push(fault(name, `is not a setting of type ${type.name}`, 'remove it'));
  }
  if (faults.length) throw new ConfigError(faults);
  return complete;
}

// ---- the process ----

// serve is the whole of a plugin's main program.
function serve(type, { version = '0.0.0' } = {}) {
  const manifest = { protocol_minor: PROTOCOL_MINOR, version, types: [(({ create, ...data }) => data)(type)] };
  const flag = process.argv[2] ?? '';
  if (/^--?describe$/.test(flag)) return void fs.writeSync(1, JSON.stringify(manifest, null, 2) + '\n');
  if (/^--?version$/.test(flag)) return void fs.writeSync(1, version + '\n');
  if (process.env[COOKIE[0]] !== COOKIE[1]) {
    leave("this is a provider plugin of authd: put it into authd's plugins directory; -describe tells what it does");
  }
  if (!(process.env.PLUGIN_PROTOCOL_VERSIONS ?? '1').split(',').includes('1')) leave('this plugin speaks protocol 1, which this authd does not');

  // The handshake is all that belongs on standard output; console.log goes where logs go.
  process.stdout.write = process.stderr.write.bind(process.stderr);
  // authd holds the other end of standard input, and alone decides when the plugin stops.
  process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume();
  process.on('SIGINT', () => {}).on('SIGTERM', () => {});
  process.on('unhandledRejection', (e) => log('error', 'unhandled rejection', { stack: String(e?.stack) }));
  process.umask(0o177);
  listen(type, manifest);
}

function leave(why) {
  process.stderr.write(`${path.basename(process.argv[1])}: ${why}\n`);
  process.exit(2);
}

// log writes hclog's JSON, which authd reads.
function log(level, message, more = {}) {
  process.stderr.write(JSON.stringify({ '@level': level, '@message': message, '@timestamp': new Date().toISOString(), ...more }) + '\n');
}

function listen(type, manifest) {
  const grpc = require('@grpc/grpc-js');
  const protobuf = require('protobufjs');
  const load = (name) => protobuf.loadSync(path.join(__dirname, name));
  const wire = require('@grpc/proto-loader').loadSync(path.join(__dirname, 'provider.proto'), { keepCase: true, longs: String, enums: String, defaults: true });
  const runtime = load('runtime.proto');
  const details = { error: load('provider.proto').lookupType('authd.provider.v1.ProviderError'), status: runtime.lookupType('authd.runtime.Status') };

  const server = new grpc.Server({ 'grpc.max_receive_message_length': 1 << 20, 'grpc.max_send_message_length': 1 << 20 });
  server.addService(wire['authd.provider.v1.Provider'], methods(type, manifest, { grpc, details }));
  server.addService(unary(runtime, 'grpc.health.v1.Health', 'Check', 'HealthCheckRequest', 'HealthCheckResponse'), {
    Check: (call, answer) => (['', 'plugin'].includes(call.request.service) ? answer(null, { status: 1 }) : answer({ code: grpc.status.NOT_FOUND })),
  });
  server.addService(unary(runtime, 'plugin.GRPCController', 'Shutdown', 'Empty', 'Empty'), {
    Shutdown: (_, answer) => { answer(null, {}); setTimeout(() => process.exit(0), 100); },
  });

  const socket = path.join(process.env.PLUGIN_UNIX_SOCKET_DIR || process.env.TMPDIR || '/tmp', `p${process.pid}`);
  server.bindAsync(`unix:${socket}`, grpc.ServerCredentials.createInsecure(), (error) => {
    if (error) leave(`can't listen on ${socket}: ${error.message}`);
    fs.writeSync(1, `1|1|unix|${socket}|grpc|\n`);
  });
}

// unary describes a service of one method.
function unary(root, service, method, request, response) {
  const [input, output] = [root.lookupType(`authd.runtime.${request}`), root.lookupType(`authd.runtime.${response}`)];
  return { [method]: {
    path: `/${service}/${method}`, requestStream: false, responseStream: false,
    requestSerialize: (m) => Buffer.from(input.encode(m).finish()), requestDeserialize: (b) => input.toObject(input.decode(b), { defaults: true }),
    responseSerialize: (m) => Buffer.from(output.encode(m).finish()), responseDeserialize: (b) => output.toObject(output.decode(b), { defaults: true }),
  } };
}

// methods are those of the service Provider. provider is null until Configure has succeeded.
function methods(type, manifest, tools) {
  let provider = null;
  const configured = (name) => {
    if (!provider) throw new Refusal(status.FAILED_PRECONDITION, 'the process is not configured');
    if (!provider[name]) throw new Refusal(status.UNIMPLEMENTED, "this provider can't do that");
    return provider[name].bind(provider);
  };
  const forward = (name, shape) => async (request, signal) => shape(await configured(name)(request, signal));
  const all = {
    Describe: async () => manifest,
    Configure: async (request) => {
      if (provider) throw new Refusal(status.FAILED_PRECONDITION, 'the process is configured already; start another one');
      if (request.type !== type.name) throw new ConfigError([fault('type', `"${request.type}" is not served by this plugin`)]);
      const settings = checkSettings(type, request.settings);
      const made = type.create({ ...request, settings });
      provider = made;
      const capabilities = [made.refreshToken && 'CAPABILITY_REFRESH', made.revokeToken && 'CAPABILITY_REVOCATION', made.endSession && 'CAPABILITY_END_SESSION', made.check && 'CAPABILITY_CHECK'];
      return { authorization_endpoint: made.authorizationEndpoint, capabilities: capabilities.filter(Boolean) };
    },
    AuthorizeParams: forward('authorizeParams', ({ authorization_endpoint, parameters }) => ({
      authorization_endpoint, parameters: Object.entries(parameters).map(([name, value]) => ({ name, value })),
    })),
    GetToken: forward('getToken', (token) => ({ token })),
    GetUserInfo: forward('getUserInfo', (user) => ({ user })),
    RefreshToken: async (request, signal) => {
      const refresh = configured('refreshToken');
      if (!request.token?.refresh_token) throw new UserError('invalid_grant', 'there is no refresh token to renew the access token with');
      return { token: await refresh(request, signal) };
    },
    RevokeToken: forward('revokeToken', () => ({})),
    EndSession: forward('endSession', (end_session_url) => ({ end_session_url })),
    PasswordLogin: forward('passwordLogin', (token) => ({ token })),
    VerifyLogoutToken: forward('verifyLogoutToken', (token) => token),
    Check: forward('check', (diagnostics) => ({ diagnostics })),
  };
  return Object.fromEntries(Object.entries(all).map(([name, run]) => [name, guarded(name, run, tools)]));
}

// guarded gives a method a signal that ends it with its caller, and turns what it throws into a status.
function guarded(name, run, tools) {
  return (call, answer) => {
    const leaving = new AbortController();
    call.on('cancelled', () => leaving.abort());
    Promise.resolve().then(() => run(call.request, leaving.signal)).then((message) => answer(null, message), (e) => answer(statusOf(name, e, tools)));
  };
}

function statusOf(name, e, { grpc, details }) {
  if (e instanceof Refusal) return { code: e.code, details: e.message };
  if (!(e instanceof ProviderError)) {
    // The text of an unknown error may hold anything, a secret too: the log gets where it was, and nothing else.
    log('error', `${name} failed`, { error: e?.name, stack: String(e?.stack).split('\n').filter((line) => line.startsWith('    at ')).join('\n') });
    e = new ProviderError(`${e?.name ?? 'error'} in ${name}`);
  }
  const text = e.message.slice(0, MAX_ERROR_TEXT);
  const error = details.error.fromObject({
    source: e.source, error: e.code, errorDescription: text, upstreamHttpStatus: e.status, diagnostics: e.diagnostics,
    retryAfter: e.retryAfter > 0 ? { seconds: Math.ceil(e.retryAfter) } : null,
  });
  const packed = details.status.fromObject({ code: grpcCode(e), message: text, details: [{ type_url: 'type.googleapis.com/authd.provider.v1.ProviderError', value: details.error.encode(error).finish() }] });
  const metadata = new grpc.Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(details.status.encode(packed).finish()));
  return { code: grpcCode(e), details: text, metadata };
}

module.exports = { serve, ask, checkSettings, ProviderError, UserError, UpstreamError, ConfigError };
