/**
 * The suite in headless browsers: `node js/test/browser.mjs`.
 *
 * Chromium is `chromium` on the PATH or /usr/bin/chromium, or what ROOTSTOCK_CHROMIUM names. ROOTSTOCK_SKIP_BROWSER=1
 * skips the tests; a Chromium that is missing otherwise fails them. Firefox runs them too where it is installed, or
 * where ROOTSTOCK_FIREFOX names it.
 */

import { normalize } from 'node:path';
import { test } from 'node:test';

import { JS, guestPath, wasmPath } from '../suite/files.mjs';
import { BROWSERS, TIMEOUT_MS, findBrowser, runPage } from './launch.mjs';

/** The file behind a path; `undefined` for all that the page has no need of. */
function fileOf(pathname) {
    const path = normalize(pathname);
    const guest = /^\/guests\/(\w+)\.wasm$/.exec(path);
    if (path === '/runtime.wasm') {
        return wasmPath();
    }
    return guest === null ? (path.startsWith('/js/') ? JS + path.slice('/js/'.length) : undefined) : guestPath(guest[1]);
}

function missing({ title, package: name, variable }) {
    return (
        `${title} is not installed: install Debian's package ${name}, name a browser with ${variable}, ` +
        'or skip these tests with ROOTSTOCK_SKIP_BROWSER=1'
    );
}

const skipped = process.env.ROOTSTOCK_SKIP_BROWSER === '1' && 'ROOTSTOCK_SKIP_BROWSER=1';

for (const [name, browser] of Object.entries(BROWSERS)) {
    const command = skipped ? undefined : findBrowser(browser);
    const skip = skipped || (name !== 'chromium' && command === undefined && missing(browser));

    if (skip) {
        console.log(`left out: the JavaScript module in ${browser.title}: ${skip}`);
    }
    // The tests are known once the page has run: each becomes one of node's.
    await test(`in ${browser.title}`, { skip, timeout: TIMEOUT_MS + 30_000 }, async (t) => {
        if (command === undefined) {
            throw new Error(missing(browser));
        }
        const { results, failure, agent } = await runPage(browser, command, '/js/suite/page.html', fileOf);
        if (failure !== undefined) {
            throw new Error(`the page failed: ${failure}`);
        }
        t.diagnostic(agent);
        for (const { name: title, error } of results) {
            await t.test(title, () => {
                if (error !== undefined) {
                    throw new Error(error);
                }
            });
        }
        if (results.length === 0) {
            throw new Error('the page ran no tests');
        }
    });
}
