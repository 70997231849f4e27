/**
 * The suite in headless Chromium: `node js/test/browser.mjs`.
 *
 * Chromium is `chromium` on the PATH or /usr/bin/chromium, or what ROOTSTOCK_CHROMIUM names. ROOTSTOCK_SKIP_BROWSER=1
 * skips the tests; a browser that is missing otherwise fails them.
 */

import { spawn } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, extname, join, normalize } from 'node:path';
import { test } from 'node:test';

import { JS, guestPath, wasmPath } from '../suite/files.mjs';

/** All of the suite takes seconds; a machine may be slow and busy. */
const TIMEOUT_MS = 240_000;
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };
const FLAGS = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-dev-shm-usage',
];

function findChromium() {
    const named = process.env.ROOTSTOCK_CHROMIUM;
    const path = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'chromium'));
    const candidates = named === undefined ? [...path, '/usr/bin/chromium'] : [named];
    const found = candidates.find((candidate) => {
        try {
            accessSync(candidate, constants.X_OK);
            return true;
        } catch {
            return false;
        }
    });
    if (found === undefined) {
        const where = named === undefined ? 'there is no `chromium` on the PATH, nor /usr/bin/chromium' : `${named} cannot be run`;
        throw new Error(
            `${where}: install Debian's package chromium, name a browser with ROOTSTOCK_CHROMIUM, ` +
                'or skip these tests with ROOTSTOCK_SKIP_BROWSER=1',
        );
    }
    return found;
}

/** The file behind an address; `undefined` for all that the page has no need of. */
function fileOf(url) {
    const path = normalize(decodeURIComponent(new URL(url, 'http://localhost').pathname));
    const guest = /^\/guests\/(\w+)\.wasm$/.exec(path);
    if (path === '/runtime.wasm') {
        return wasmPath();
    }
    return guest === null ? (path.startsWith('/js/') ? JS + path.slice('/js/'.length) : undefined) : guestPath(guest[1]);
}

async function bodyOf(request) {
    const parts = [];
    for await (const part of request) {
        parts.push(part);
    }
    return JSON.parse(Buffer.concat(parts).toString());
}

/** Serves the page, and hands what it posts to `on`. */
function serve(on) {
    return createServer(async (request, response) => {
        try {
            if (request.method === 'POST') {
                on(new URL(request.url, 'http://localhost').pathname, await bodyOf(request));
                response.writeHead(204).end();
                return;
            }
            const file = fileOf(request.url);
            const bytes = readFileSync(file ?? '');
            response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(bytes);
        } catch (error) {
            response.writeHead(error.code === 'ENOENT' ? 404 : 500).end(error.message);
        }
    });
}

/** Runs the page in Chromium; resolves to what it posted as its results. */
async function runPage(chromium) {
    const profile = await mkdtemp(join(tmpdir(), 'rootstock-chromium-'));
    let last = 'nothing yet';
    let browser;
    let timer;
    const results = withResolvers();
    const server = serve((path, body) => {
        if (path === '/progress') {
            last = body.done;
        } else {
            results.resolve(body);
        }
    });
    try {
        await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
        const url = `http://127.0.0.1:${server.address().port}/js/suite/page.html`;
        let log = '';
        browser = spawn(chromium, [...FLAGS, `--user-data-dir=${profile}`, url], {
            stdio: ['ignore', 'ignore', 'pipe'],
        });
        browser.stderr.on('data', (part) => {
            log = (log + part).slice(-4000);
        });
        browser.on('error', (error) => results.reject(new Error(`${chromium} cannot be started: ${error.message}`)));
        browser.on('exit', (code, signal) =>
            results.reject(new Error(`${chromium} ended (${signal ?? code}); the last test done: ${last}\n${log}`)),
        );
        timer = setTimeout(
            () => results.reject(new Error(`no results after ${TIMEOUT_MS / 1000} s; the last test done: ${last}\n${log}`)),
            TIMEOUT_MS,
        );
        return await results.promise;
    } finally {
        clearTimeout(timer);
        await end(browser);
        server.closeAllConnections();
        server.close();
        // its helper processes may still be writing their last
        await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    }
}

/** Asks the browser to end, which ends its helper processes too; insists after a while. */
async function end(browser) {
    if (browser?.pid === undefined || browser.exitCode !== null || browser.signalCode !== null) {
        return;
    }
    const ended = new Promise((resolve) => browser.once('exit', resolve));
    browser.kill('SIGTERM');
    const insist = setTimeout(() => browser.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(insist);
}

/** `Promise.withResolvers`, which node 20 does not have. */
function withResolvers() {
    const parts = {};
    parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
    return parts;
}

const skip = process.env.ROOTSTOCK_SKIP_BROWSER === '1' ? 'ROOTSTOCK_SKIP_BROWSER=1' : false;

// The tests are known once the page has run: each becomes one of node's.
await test('in Chromium', { skip, timeout: TIMEOUT_MS + 30_000 }, async (t) => {
    const { results, failure, agent } = await runPage(findChromium());
    if (failure !== undefined) {
        throw new Error(`the page failed: ${failure}`);
    }
    t.diagnostic(agent);
    for (const { name, error } of results) {
        await t.test(name, () => {
            if (error !== undefined) {
                throw new Error(error);
            }
        });
    }
    if (results.length === 0) {
        throw new Error('the page ran no tests');
    }
});
