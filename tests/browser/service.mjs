// Starts what the test talks to, and ends it by its process id: a hallpass for development in a throw-away folder, and a server of one page.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** `hallpass serve --dev` on a free port: its issuer's origin, and how to log in. */
export async function startHallpass(program) {
  const folder = mkdtempSync(join(tmpdir(), 'hallpass-browser.'));
  const process_ = spawn(resolve(program), ['serve', '--dev', '--listen', '127.0.0.1:0'], {
    cwd: folder,
    // It logs in more often than anybody at one address may.
    env: { PATH: process.env.PATH, RUST_LOG: 'warn', HALLPASS__LIMITS__LOGIN_PER_IP: 'off' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const end = () => {
    process_.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  // Whatever ends this program, nothing of it stays behind.
  process.on('exit', end);
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => process.exit(1));
  }
  const { url, email, password } = await greeting(process_);
  await untilItAnswers(`${url}/readyz`);
  const stop = async () => {
    const exited = once(process_, 'exit');
    process_.kill('SIGTERM');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  return { origin: url, email, password, stop };
}

/** What it prints at its start. */
async function greeting(process_) {
  let text = '';
  for await (const chunk of process_.stdout) {
    text += chunk;
    const found = /on (http:\S+):[^]*e-mail +(\S+)\s+password +(\S+)[^]*\/me /.exec(text);
    if (found) {
      return { url: found[1], email: found[2], password: found[3] };
    }
  }
  throw new Error(`hallpass ended before it said how to log in:\n${text}`);
}

async function untilItAnswers(url) {
  for (let tries = 0; tries < 100; tries += 1) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) {
      return;
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`${url} does not answer`);
}

/** A server whose every page is blank. On 127.0.0.1 it is another origin of the same site; as localhost it is another site. */
export async function startPages() {
  const server = createServer((request, response) => {
    if (request.url === '/sandboxed') {
      response.setHeader('content-security-policy', 'sandbox allow-scripts allow-forms');
    }
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>elsewhere</title>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { sameSite: `http://127.0.0.1:${port}`, crossSite: `http://localhost:${port}`, stop };
}
