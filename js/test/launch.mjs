/** Opens a page in a headless browser, serves what it fetches, and waits for the results that it posts. Node only. */

import { spawn } from 'node:child_process';
import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, extname, join } from 'node:path';

/** A page takes seconds; a machine may be slow and busy. */
export const TIMEOUT_MS = 240_000;
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.json': 'application/json', '.wasm': 'application/wasm' };

const CHROMIUM_FLAGS = [
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

/** Nothing is asked, fetched or reported in the background. */
const FIREFOX_PREFERENCES = {
    'app.update.disabledForTesting': true,
    'browser.aboutwelcome.enabled': false,
    'browser.shell.checkDefaultBrowser': false,
    'browser.tabs.remote.autostart': true,
    'datareporting.policy.dataSubmissionEnabled': false,
    'network.captive-portal-service.enabled': false,
    'network.connectivity-service.enabled': false,
    'toolkit.telemetry.enabled': false,
};

/** The browsers: where they are found, and how one is started with a profile of its own. */
export const BROWSERS = {
    chromium: {
        title: 'Chromium',
        package: 'chromium',
        commands: ['chromium'],
        variable: 'ROOTSTOCK_CHROMIUM',
        start: (command, profile, url) => [command, [...CHROMIUM_FLAGS, `--user-data-dir=${profile}`, url]],
    },
    firefox: {
        title: 'Firefox',
        package: 'firefox-esr',
        commands: ['firefox-esr', 'firefox'],
        variable: 'ROOTSTOCK_FIREFOX',
        start: (command, profile, url) => {
            const lines = Object.entries(FIREFOX_PREFERENCES).map(([key, value]) => `user_pref("${key}", ${value});\n`);
            writeFileSync(join(profile, 'user.js'), lines.join(''));
            return [command, ['--headless', '--no-remote', '--new-instance', '--profile', profile, url]];
        },
    },
};

function isExecutable(path) {
    try {
        accessSync(path, constants.X_OK);
        return true;
    } catch {
        return false;
    }
}

/** Where a command is on the PATH. */
export function onPath(command) {
    const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin'];
    return folders.map((folder) => join(folder, command)).find(isExecutable);
}

/** A browser's command; `undefined` where it is not installed. One that a variable names must be there. */
export function findBrowser({ commands, variable }) {
    const named = process.env[variable];
    if (named === undefined) {
        return commands.map(onPath).find((found) => found !== undefined);
    }
    if (!isExecutable(named)) {
        throw new Error(`${named}, which ${variable} names, cannot be run`);
    }
    return named;
}

async function bodyOf(request) {
    const parts = [];
    for await (const part of request) {
        parts.push(part);
    }
    return JSON.parse(Buffer.concat(parts).toString());
}

/** Serves files, and hands what is posted to `on`. */
function serve(fileOf, on) {
    return createServer(async (request, response) => {
        const { pathname } = new URL(request.url, 'http://localhost');
        try {
            if (request.method === 'POST') {
                on(pathname, await bodyOf(request));
                response.writeHead(204).end();
                return;
            }
            const file = fileOf(decodeURIComponent(pathname));
            const bytes = readFileSync(file ?? '');
            response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(bytes);
        } catch (error) {
            response.writeHead(error.code === 'ENOENT' ? 404 : 500).end(error.message);
        }
    });
}

/**
 * Runs a page in a browser; resolves to what it posted to `/results`. It may post `{done}` to `/progress` meanwhile.
 *
 * @param {{start: (command: string, profile: string, url: string) => [string, string[]]}} browser one of BROWSERS
 * @param {string} command where it is
 * @param {string} page the path of the page
 * @param {(path: string) => string | undefined} fileOf the file behind a path; `undefined` for all that the page has no need of
 */
export async function runPage({ start }, command, page, fileOf) {
    const profile = await mkdtemp(join(tmpdir(), 'rootstock-browser-'));
    let last = 'nothing yet';
    let browser;
    let timer;
    const results = withResolvers();
    const server = serve(fileOf, (path, body) => {
        if (path === '/progress') {
            last = body.done;
        } else {
            results.resolve(body);
        }
    });
    try {
        await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
        const url = `http://127.0.0.1:${server.address().port}${page}`;
        let log = '';
        browser = spawn(...start(command, profile, url), { stdio: ['ignore', 'ignore', 'pipe'] });
        browser.stderr.on('data', (part) => {
            log = (log + part).slice(-4000);
        });
        browser.on('error', (error) => results.reject(new Error(`${command} cannot be started: ${error.message}`)));
        browser.on('exit', (code, signal) =>
            results.reject(new Error(`${command} ended (${signal ?? code}); the last test done: ${last}\n${log}`)),
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
