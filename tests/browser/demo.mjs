// The page of `serve --dev` in a real browser: everything on it is pressed, by bearer token and by cookie, in light and dark, by keyboard and by axe.
//
//   scripts/browser-test                   installs what is missing, builds, and runs this
//   SCREENSHOTS=docs scripts/browser-test  leaves pictures of the page there as well

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, beforeEach, afterEach, test } from 'node:test';

import { chromium } from 'playwright-core';

import { startHallpass } from './service.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let browser, context, page, service, complaints;

before(async () => {
  service = await startHallpass(process.env.HALLPASS ?? 'target/debug/hallpass');
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium' });
});

after(async () => {
  await browser?.close();
  await service?.stop();
});

beforeEach(async () => {
  context = await browser.newContext({ viewport: { width: 1200, height: 1150 } });
  context.setDefaultTimeout(15_000);
  page = await context.newPage();
  complaints = [];
  page.on('console', (message) => {
    // A refusal is what some of this is about.
    if (message.type() === 'error' && !message.text().includes('the server responded with a status of 4')) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(`${error}`));
});

afterEach(async () => {
  assert.deepEqual(complaints, []);
  await context.close();
});

const state = (text) => page.getByRole('status').filter({ hasText: text }).waitFor();
const press = (name) => page.getByRole('button', { name, exact: true }).click();
const claim = (name) => page.getByRole('row').filter({ has: page.getByRole('rowheader', { name, exact: true }) }).getByRole('cell').innerText();

async function open(fragment = `#email=${service.email}&password=${service.password}`) {
  await page.goto(`${service.origin}/${fragment}`);
}

async function login(transport) {
  await open();
  if (transport === 'cookie') await page.getByLabel(/^Cookie/).check();
  await press('Log in');
  await state(/^Logged in/);
}

/** Rules of WCAG 2.2 A and AA, contrast among them. */
async function assertAccessible() {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`), []);
}

async function picture(name) {
  if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}.png` });
}

test('the address from the terminal fills the form in, and is gone', async () => {
  await open();
  assert.equal(page.url(), `${service.origin}/`);
  assert.equal(await page.getByLabel('E-mail').inputValue(), service.email);
  assert.ok(await page.getByRole('button', { name: 'Refresh', exact: true }).isDisabled());
});

test('by bearer token: claims and their countdown, a guarded route, refreshes, a race, a step-up, and out', async () => {
  await login();
  const { sub, sid, jti } = { sub: await claim('sub'), sid: await claim('sid'), jti: await claim('jti') };
  assert.match(sub, /^usr_/);
  const left = async () => Number((await page.locator('#left').innerText()).replace(' s', ''));
  const first = await left();
  assert.ok(first > 280 && first <= 300, `${first}`);
  await page.waitForFunction((first) => parseInt(document.getElementById('left').textContent, 10) < first, first);

  await press('Call a guarded route');
  await state('believed the token');
  await press('Refresh');
  await state('A new access token');
  assert.notEqual(await claim('jti'), jti);
  assert.equal(await claim('sid'), sid);
  await press('Race two refreshes');
  await state('both have the same refresh token');

  const authTime = await claim('auth_time');
  await page.waitForTimeout(1100);
  await page.getByLabel('Password or one-time code again').fill('not the password');
  await press('Step up');
  await state('Not proved');
  await page.getByLabel('Password or one-time code again').fill(service.password);
  await press('Step up');
  await state('Proved once more');
  assert.notEqual(await claim('auth_time'), authTime);

  const log = await page.getByRole('log').innerText();
  assert.ok(!log.includes(service.password) && !/hp_rt_[\w-]{20}/.test(log), 'the log shows no secret');
  assert.deepEqual(await context.cookies(), []);
  await picture('dev-page');
  await press('Log out everywhere');
  await state('each of the access tokens is refused');
  assert.ok(await page.getByRole('button', { name: 'Refresh', exact: true }).isDisabled());
});

test('by cookie: no script sees a token, a reload changes nothing, and a logout takes the cookies', async () => {
  await login('cookie');
  assert.equal(await page.evaluate(() => document.cookie), '');
  const session = await claim('session_id');
  for (const [name, text] of [['Call a guarded route', 'believed'], ['Refresh', 'A new access token'], ['Race two refreshes', 'Both got through']]) {
    await press(name);
    await state(text);
  }
  await page.getByLabel('Password or one-time code again').fill(service.password);
  await press('Step up');
  await state('Proved once more');
  await page.reload();
  await state('Still logged in, by cookie');
  assert.equal(await claim('session_id'), session);
  await press('Log out');
  await state('Logged out');
  assert.deepEqual(await context.cookies(), []);
});

test('from bearer to cookie and back: the login by the other way ends the session before', async () => {
  await login();
  await page.getByLabel(/^Cookie/).check();
  await press('Log in');
  await state('cookies that no script can read');
  assert.equal((await context.cookies()).length, 2);
  await page.getByLabel(/^Bearer/).check();
  await press('Log in');
  await state('This is what the token says');
  assert.deepEqual(await context.cookies(), []);
});

test('another login ends the session before, and a wrong password says so', async () => {
  await login();
  const before = await claim('sid');
  await press('Log in');
  await page.waitForFunction((before) => !document.getElementById('claims').textContent.includes(before), before);
  await page.getByLabel('Password', { exact: true }).fill('not the password');
  await press('Log in');
  await state('Not logged in');
});

test('it is accessible in light and dark, before and after a login, on a phone too', async () => {
  for (const [colorScheme, name] of [['light', 'dev-page-start'], ['dark', 'dev-page-dark']]) {
    await page.emulateMedia({ colorScheme });
    await open();
    await assertAccessible();
    await press('Log in');
    await state(/^Logged in/);
    await assertAccessible();
    if (colorScheme === 'dark') await picture(name);
    await press('Log out');
    await state('Logged out');
  }
  await page.setViewportSize({ width: 360, height: 740 });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `${overflow} pixels too wide`);
});

test('by keyboard alone', async () => {
  await open();
  await page.getByLabel('Password', { exact: true }).focus();
  await page.keyboard.press('Enter');
  await state(/^Logged in/);
  await page.getByRole('button', { name: 'Refresh', exact: true }).focus();
  await page.keyboard.press('Space');
  await state('A new access token');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'race');
});

test('nothing but itself gets into the page', async () => {
  const answer = await page.goto(`${service.origin}/`);
  const policy = answer.headers()['content-security-policy'];
  assert.match(policy, /^default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/);
  const isIn = await page.evaluate(() => {
    const script = Object.assign(document.createElement('script'), { textContent: 'window.isIn = true' });
    document.body.append(script);
    return Boolean(window.isIn);
  });
  assert.equal(isIn, false);
  complaints = complaints.filter((text) => !text.includes('Content Security Policy'));
});
