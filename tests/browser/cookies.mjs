// Cookie mode in a real browser: what Chromium keeps, sends and refuses, against a running hallpass.
//
//   scripts/browser-test                                          installs what is missing, builds, and runs this
//   HALLPASS=target/debug/hallpass node tests/browser/cookies.mjs
//
// A page of the issuer's origin is a blank document that Playwright puts there, since hallpass serves none; everything that the page asks for
// goes to the service. `--dev` listens on plain http, where Chromium keeps `Secure` cookies for loopback addresses only.
// $CHROMIUM names another browser.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { chromium } from 'playwright-core';

import { startHallpass, startPages } from './service.mjs';

const ACCESS = '__Host-hallpass-access';
const REFRESH = '__Host-hallpass-refresh';

let browser, context, page, service, pages;

before(async () => {
  service = await startHallpass(process.env.HALLPASS ?? 'target/debug/hallpass');
  pages = await startPages();
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium' });
  context = await browser.newContext();
  context.setDefaultTimeout(15_000);
  await context.route(`${service.origin}/blank`, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>issuer</title>' }));
  page = await issuerPage();
});

after(async () => {
  await browser?.close();
  pages?.stop();
  await service?.stop();
});

async function issuerPage() {
  const opened = await context.newPage();
  await opened.goto(`${service.origin}/blank`);
  return opened;
}

/** What a script of the page is answered. */
function ask(from, method, path, body) {
  return from.evaluate(
    async ([method, path, body]) => {
      const json = body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
      const answer = await fetch(path, { method, ...json });
      return { status: answer.status, body: await answer.json().catch(() => undefined) };
    },
    [method, path, body],
  );
}

const me = (from = page) => ask(from, 'GET', '/me');

function login(from = page) {
  return ask(from, 'POST', '/login', { email: service.email, password: service.password, transport: 'cookie' });
}

/** The browser's cookies, by name. */
async function jar() {
  return Object.fromEntries((await context.cookies()).map((cookie) => [cookie.name, cookie]));
}

/** The status of what a page elsewhere makes the browser send to the service, which the page itself may not read. */
async function statusOf(elsewhere, path, send) {
  const answered = elsewhere.context().waitForEvent('response', (response) => response.url() === `${service.origin}${path}`);
  const [response] = await Promise.all([answered, send()]);
  return response.status();
}

/** A script's request that needs no preflight. */
function byScript(elsewhere, path, body) {
  const send = ([url, body]) => void fetch(url, { method: 'POST', mode: 'no-cors', credentials: 'include', body });
  return statusOf(elsewhere, path, () => elsewhere.evaluate(send, [`${service.origin}${path}`, body]));
}

/** A form of the one kind whose body can look like JSON: the name and the value of its field, with a = between them. */
async function byForm(elsewhere, path, body) {
  const [home, url] = [elsewhere.url(), `${service.origin}${path}`];
  const send = ([url, body]) => {
    const form = Object.assign(document.createElement('form'), { method: 'POST', action: url, enctype: 'text/plain' });
    if (body) {
      form.append(Object.assign(document.createElement('input'), { name: `${body.slice(0, -1)},"x":"`, value: '"}' }));
    }
    document.body.append(form);
    form.submit();
  };
  const status = await statusOf(elsewhere, path, () => elsewhere.evaluate(send, [url, body]));
  await elsewhere.waitForURL(url);
  await elsewhere.goto(home);
  return status;
}

/** What another origin can send without being asked first: scripts and forms. */
async function attack(elsewhere, path, body) {
  return [await byScript(elsewhere, path, body), await byForm(elsewhere, path, body)];
}

test('e1 e2: a login by cookie leaves tokens that no script can see', async () => {
  const { status, body } = await login();
  assert.equal(status, 200);
  assert.deepEqual(['access_token', 'refresh_token'].filter((name) => name in body), []);
  assert.equal(await page.evaluate(() => document.cookie), '');
  const cookies = await jar();
  assert.deepEqual(Object.keys(cookies).sort(), [ACCESS, REFRESH]);
  for (const cookie of Object.values(cookies)) {
    const { domain, path, httpOnly, secure, sameSite } = cookie;
    assert.deepEqual({ domain, path, httpOnly, secure, sameSite }, { domain: '127.0.0.1', path: '/', httpOnly: true, secure: true, sameSite: 'Strict' });
  }
  const life = (name) => cookies[name].expires - Date.now() / 1000;
  assert.ok(life(ACCESS) > 280 && life(ACCESS) <= 300 && life(REFRESH) > 600_000);
});

test('a reload, another tab and the next page are still logged in', async () => {
  await page.reload();
  const { status, body } = await me();
  assert.equal(status, 200);
  const tab = await issuerPage();
  assert.equal((await me(tab)).body.session_id, body.session_id);
  await tab.close();
});

test('a refresh replaces both cookies', async () => {
  const before = await jar();
  assert.equal((await ask(page, 'POST', '/refresh')).status, 200);
  const now = await jar();
  assert.notEqual(now[ACCESS].value, before[ACCESS].value);
  assert.notEqual(now[REFRESH].value, before[REFRESH].value);
  assert.equal((await me()).status, 200);
});

test('d2 d22: tabs that refresh at once all stay logged in', async () => {
  const tabs = await Promise.all([issuerPage(), issuerPage(), issuerPage()]);
  const answers = await Promise.all(tabs.map((tab) => ask(tab, 'POST', '/refresh')));
  assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200]);
  assert.equal((await ask(page, 'POST', '/refresh')).status, 200);
  assert.equal((await me()).status, 200);
  await Promise.all(tabs.map((tab) => tab.close()));
});

test('a step-up by cookie replaces the access cookie only', async () => {
  const [before, known] = [await jar(), (await me()).body];
  // `auth_time` is in whole seconds.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const wrong = await ask(page, 'POST', '/step-up', { password: 'not the password' });
  assert.equal(wrong.status, 401);
  assert.deepEqual(await jar(), before);
  const { status, body } = await ask(page, 'POST', '/step-up', { password: service.password });
  assert.equal(status, 200);
  assert.deepEqual(['access_token', 'refresh_token'].filter((name) => name in body), []);
  const [now, then] = [await jar(), (await me()).body];
  assert.notEqual(now[ACCESS].value, before[ACCESS].value);
  assert.equal(now[REFRESH].value, before[REFRESH].value);
  assert.equal(then.session_id, known.session_id);
  assert.ok(then.auth_time > known.auth_time);
});

test('e5: a page of another origin of the same site is sent the cookies along with, and gets nowhere', async () => {
  const elsewhere = await context.newPage();
  await elsewhere.goto(pages.sameSite);
  const before = await jar();
  assert.deepEqual(await attack(elsewhere, '/logout'), [403, 403]);
  assert.deepEqual(await attack(elsewhere, '/refresh'), [403, 403]);
  // A body that needs no preflight is no JSON; whether that or the origin is noticed first does not matter.
  for (const status of await attack(elsewhere, '/logout', '{"which":"all"}')) {
    assert.ok([403, 415].includes(status), `${status}`);
  }
  assert.deepEqual(await jar(), before);
  assert.equal((await me()).status, 200);
  await elsewhere.close();
});

test('e4: a page of another site is sent no cookies along with, and gets nowhere', async () => {
  const elsewhere = await context.newPage();
  await elsewhere.goto(pages.crossSite);
  const before = await jar();
  assert.deepEqual(await attack(elsewhere, '/logout'), [401, 401]);
  assert.deepEqual(await attack(elsewhere, '/refresh'), [400, 400]);
  assert.deepEqual(await jar(), before);
  assert.equal((await me()).status, 200);
  await elsewhere.close();
});

test('c25 e14: no page elsewhere logs the browser in to another account', async () => {
  for (const origin of [pages.sameSite, pages.crossSite]) {
    const elsewhere = await context.newPage();
    await elsewhere.goto(origin);
    const before = await jar();
    const credentials = { email: service.email, password: service.password, transport: 'cookie' };
    assert.deepEqual(await attack(elsewhere, '/login', JSON.stringify(credentials)), [415, 415]);
    // As JSON it has to be asked for first, and nobody says yes.
    const failed = await elsewhere.evaluate(
      ([url, body]) => fetch(url, { method: 'POST', credentials: 'include', headers: { 'content-type': 'application/json' }, body }).catch((error) => error.name),
      [`${service.origin}/login`, JSON.stringify(credentials)],
    );
    assert.equal(failed, 'TypeError');
    assert.deepEqual(await jar(), before);
    await elsewhere.close();
  }
});

test('e8: a sandboxed page, whose origin is null, gets nowhere', async () => {
  const elsewhere = await context.newPage();
  await elsewhere.goto(`${pages.sameSite}/sandboxed`);
  assert.equal(await elsewhere.evaluate(() => origin), 'null');
  // Chromium lets such a script not even reach loopback, so there is only the form to see.
  assert.equal(await byForm(elsewhere, '/logout'), 401);
  assert.equal(await byForm(elsewhere, '/refresh'), 400);
  assert.equal((await me()).status, 200);
  await elsewhere.close();
});

test('c24: logging in again begins another session and ends the one before', async () => {
  const before = (await me()).body;
  const old = await jar();
  const { body } = await login();
  assert.notEqual(body.session_id, before.session_id);
  const replayed = await fetch(`${service.origin}/me`, { headers: { authorization: `Bearer ${old[ACCESS].value}` } });
  assert.equal(replayed.status, 401);
  assert.equal((await me()).status, 200);
});

test('e23: a logout leaves no cookie behind', async () => {
  assert.equal((await ask(page, 'POST', '/logout')).status, 204);
  assert.deepEqual(await jar(), {});
  await page.reload();
  assert.equal((await me()).status, 401);
});
