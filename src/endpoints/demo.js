'use strict';

const at = (id) => document.getElementById(id);

// What this page knows. With cookies there are no tokens in it, and there is nothing that a script could steal.
let session;
let countdown;

const byCookie = () => at('cookie').checked;

/** One exchange with the service, written into the log. */
async function ask(method, path, body, authorization) {
  const headers = {};
  if (body) headers['content-type'] = 'application/json';
  if (authorization) headers.authorization = `Bearer ${authorization}`;
  const started = performance.now();
  try {
    const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
    const text = await answer.text();
    const json = text ? JSON.parse(text) : undefined;
    note(method, path, answer.status, performance.now() - started, json);
    return { status: answer.status, json };
  } catch {
    note(method, path, 0, performance.now() - started);
    return { status: 0 };
  }
}

function note(method, path, status, milliseconds, json) {
  const line = document.createElement('li');
  const head = document.createElement('div');
  const code = document.createElement('code');
  code.textContent = `${method} ${path}`;
  const outcome = document.createElement('strong');
  outcome.className = status >= 200 && status < 300 ? 'good' : 'bad';
  outcome.textContent = status ? ` ${status}` : ' no answer';
  head.append(code, outcome, ` in ${milliseconds.toFixed(0)} ms`);
  line.append(head);
  if (json) {
    const body = document.createElement('pre');
    body.textContent = JSON.stringify(json, (key, value) => (secret(key) ? `${value.slice(0, 16)}… (${value.length} characters)` : value), 2);
    line.append(body);
  }
  at('log').prepend(line);
}

const secret = (key) => key === 'access_token' || key === 'refresh_token';

/** The claims of a token, which anybody can read who has it: it is signed and not encrypted. */
function claimsOf(token) {
  const bytes = Uint8Array.from(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

const TIMES = ['exp', 'iat', 'auth_time', 'expires_at'];

function show(claims, expiresAt, life) {
  const rows = Object.entries(claims).map(([name, value]) => {
    const row = document.createElement('tr');
    const head = document.createElement('th');
    head.scope = 'row';
    head.textContent = name;
    const cell = document.createElement('td');
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    cell.textContent = TIMES.includes(name) ? `${text} (${new Date(value * 1000).toLocaleTimeString()})` : text;
    row.append(head, cell);
    return row;
  });
  at('claims').replaceChildren(...rows);
  clearInterval(countdown);
  const tick = () => {
    const left = Math.max(0, expiresAt - Date.now() / 1000);
    at('left').textContent = `${Math.ceil(left)} s`;
    at('life').value = left / life;
  };
  tick();
  countdown = setInterval(tick, 500);
  at('session').hidden = false;
}

function say(text) {
  at('state').textContent = text;
}

/** What a token response brings: tokens for this script, or cookies that only `/me` tells anything of. */
async function enter(tokens) {
  session = { ...session, ...tokens };
  if (tokens.access_token) {
    const claims = claimsOf(tokens.access_token);
    show(claims, claims.exp, claims.exp - claims.iat);
  } else {
    await who();
  }
  enable(true);
}

async function who() {
  const { status, json } = await ask('GET', '/me', undefined, session?.access_token);
  if (status === 200 && !session?.access_token) {
    session ??= {};
    show(json, json.expires_at, session.expires_in ?? 300);
  }
  return status;
}

function leave(text) {
  session = undefined;
  clearInterval(countdown);
  at('session').hidden = true;
  enable(false);
  say(text);
}

function enable(isLoggedIn) {
  for (const control of document.querySelectorAll('#actions button, #step-up button, #step-up input')) control.disabled = !isLoggedIn;
}

const refreshing = () => ask('POST', '/refresh', session.refresh_token && { refresh_token: session.refresh_token });

at('login').addEventListener('submit', async (event) => {
  event.preventDefault();
  if (session) await ask('POST', '/logout', undefined, session.access_token);
  session = undefined;
  const otp = at('otp').value.trim();
  const credentials = { email: at('email').value, password: at('password').value, ...(otp && { otp }), ...(byCookie() && { transport: 'cookie' }) };
  const { status, json } = await ask('POST', '/login', credentials);
  at('otp-field').hidden = !(json?.code === 'otp_required' || otp);
  if (status === 200) {
    at('otp').value = '';
    await enter(json);
    say(byCookie() ? 'Logged in. The tokens are in cookies that no script can read, so these claims come from /me.' : 'Logged in. This is what the token says.');
  } else {
    leave(json?.code === 'otp_required' ? 'This account has a second factor: enter a code of it too.' : `Not logged in: ${json?.title ?? 'no answer'}`);
    if (json?.code === 'otp_required') at('otp').focus();
  }
});

at('me').addEventListener('click', async () => {
  const status = await who();
  say(status === 200 ? 'The guarded route believed the token, without asking a database.' : 'The guarded route refused: the token has expired or was revoked.');
});

at('refresh').addEventListener('click', async () => {
  const { status, json } = await refreshing();
  if (status !== 200) return leave(`The session is over: ${json?.title ?? 'no answer'}`);
  await enter(json);
  say('A new access token, and a new refresh token: the one before is good for ten more seconds, for answers that got lost.');
});

at('race').addEventListener('click', async () => {
  const answers = await Promise.all([refreshing(), refreshing()]);
  const lost = answers.find(({ status }) => status !== 200);
  if (lost) return leave(`The session is over: ${lost.json?.title ?? 'no answer'}`);
  await enter(answers[0].json);
  const [one, other] = answers.map(({ json }) => json.refresh_token);
  const same = one === other;
  say(one ? `Both got through, and both have ${same ? 'the same' : 'another'} refresh token: whoever loses a race stays logged in.` : 'Both got through: tabs that refresh at once stay logged in.');
});

at('step-up').addEventListener('submit', async (event) => {
  event.preventDefault();
  const proof = at('proof').value;
  at('proof').value = '';
  const body = /^\d{6}$/.test(proof) ? { otp: proof } : { password: proof };
  const { status, json } = await ask('POST', '/step-up', body, session.access_token);
  if (status === 200) await enter(json);
  say(status === 200 ? 'Proved once more: auth_time is now, in the same session.' : `Not proved: ${json?.title ?? 'no answer'}`);
});

at('logout').addEventListener('click', async () => {
  const { status } = await ask('POST', '/logout', undefined, session.access_token);
  if (status === 204) leave('Logged out. The access token is refused from now on, everywhere.');
});

at('everywhere').addEventListener('click', async () => {
  const { status } = await ask('POST', '/logout', { which: 'all' }, session.access_token);
  if (status === 204) leave('Logged out on every device: each of the access tokens is refused from now on.');
});

// The address in the terminal has the demo account behind a #, which browsers send to nobody.
const given = new URLSearchParams(location.hash.slice(1));
if (given.has('email')) {
  at('email').value = given.get('email');
  at('password').value = given.get('password') ?? '';
  history.replaceState(null, '', location.pathname);
}
enable(false);
// Cookies outlive a reload.
who().then((status) => {
  if (status !== 200) return;
  at('cookie').checked = true;
  enable(true);
  say('Still logged in, by cookie.');
});
