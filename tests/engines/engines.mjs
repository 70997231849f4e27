/** The engines: where each is found, what installs it, and how it runs the checks of a folder. */

import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { BROWSERS, findBrowser, onPath, runPage } from '../../js/test/launch.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const TARGET = process.env.CARGO_TARGET_DIR ?? `${ROOT}target`;
const DRIVERS = `${HERE}drivers`;
const VENV = `${ROOT}target/tools/engines`;
const PYTHON = `${VENV}/bin/python`;
/** All checks take seconds in each engine; a machine may be slow and busy. */
const TIMEOUT_MS = 240_000;

/** The first number with a point in what a command prints. */
function versionOf(command, args) {
    const { stdout } = spawnSync(command, args, { encoding: 'utf8' });
    return /\d+\.[\w.]+/.exec(stdout ?? '')?.[0] ?? '?';
}

/** The tools that tools/pins.txt names: each with the package that brings it, and its version. */
const PINS = new Map(
    readFileSync(`${ROOT}tools/pins.txt`, 'utf8')
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => line.split(/\s+/))
        .map(([name, , , distribution, pinned]) => [name, { distribution, pinned }]),
);

/** The version of a crate that Cargo.lock names. */
function versionInLock(name) {
    const lock = readFileSync(`${ROOT}Cargo.lock`, 'utf8');
    return new RegExp(`name = "${name}"\nversion = "([^"]+)"`).exec(lock)[1];
}

/** A driver that is a command of its own, and prints the outcomes as JSON. */
async function drive(command, args) {
    const options = { cwd: DRIVERS, timeout: TIMEOUT_MS, maxBuffer: 1 << 26 };
    const { stdout } = await promisify(execFile)(command, args, options);
    return JSON.parse(stdout);
}

/** A driver in Rust, which tests/engines/run has built. */
function inRust(name, title, crate) {
    const command = `${TARGET}/debug/examples/engines`;
    return {
        name,
        title,
        isQuick: true,
        find: () => (existsSync(command) ? command : undefined),
        missing: `${command} is not there: tests/engines/run builds it`,
        version: () => versionInLock(crate),
        run: (found, folder) => drive(found, [name, folder]),
    };
}

/** An engine that a package of PyPI brings. */
function inPython(name, title, driver) {
    const { distribution, pinned } = PINS.get(name);
    const ask = `import importlib.metadata as m; print(m.version("${distribution}"))`;
    const version = () => spawnSync(PYTHON, ['-c', ask], { encoding: 'utf8' }).stdout?.trim();
    return {
        name,
        title,
        tool: name,
        find: () => (version() === pinned ? PYTHON : undefined),
        missing: `the package ${distribution} of PyPI is not in ${VENV} in version ${pinned}`,
        version,
        run: (found, folder) => drive(found, [`${DRIVERS}/${driver}`, folder]),
    };
}

/** A browser, with a page that posts the outcomes. */
function inBrowser(name) {
    const browser = BROWSERS[name];
    const fileOf = (folder) => (pathname) => {
        const path = normalize(pathname);
        if (path.startsWith('/programs/')) {
            return folder + path.slice('/programs'.length);
        }
        return path.startsWith('/drivers/') ? HERE + path.slice(1) : undefined;
    };
    return {
        name,
        title: browser.title,
        isQuick: name === 'chromium',
        tool: name,
        find: () => findBrowser(browser),
        missing: `Debian's package ${PINS.get(name).distribution} is not installed`,
        version: (found) => versionOf(found, ['--version']),
        run: async (found, folder) => {
            const { results, failure } = await runPage(browser, found, '/drivers/page.html', fileOf(folder));
            if (failure !== undefined) {
                throw new Error(failure);
            }
            return results;
        },
    };
}

/** In the order of the table. */
export const ENGINES = [
    inRust('rootstock', 'wasmtime, as `rootstock` has it', 'wasmtime'),
    inPython('wasmtime', "wasmtime, PyPI's", 'in_wasmtime.py'),
    {
        name: 'node',
        title: 'node (V8)',
        isQuick: true,
        find: () => process.execPath,
        version: () => process.version.slice(1),
        run: (found, folder) => drive(found, [`${DRIVERS}/node.mjs`, folder]),
    },
    inBrowser('chromium'),
    inBrowser('firefox'),
    {
        name: 'jsc',
        title: 'JavaScriptCore',
        tool: 'jsc',
        find: () => onPath('jsc'),
        missing: `Debian's package ${PINS.get('jsc').distribution} is not installed`,
        version: () => versionOf('dpkg-query', ['-W', '-f=${Version}', PINS.get('jsc').distribution]),
        run: (found, folder) => drive(found, [`--module-file=${DRIVERS}/jsc.mjs`, '--', folder]),
    },
    inRust('wasmi', 'wasmi', 'wasmi'),
    inPython('wasm3', 'wasm3', 'in_wasm3.py'),
    {
        name: 'wabt',
        title: "wabt's interpreter",
        isQuick: true,
        tool: 'wabt',
        find: () => onPath('wast2json') && onPath('spectest-interp'),
        missing: "Debian's package wabt is not installed",
        version: (found) => versionOf(found, ['--version']),
        run: (_, folder) => drive(process.execPath, [`${DRIVERS}/wabt.mjs`, folder]),
    },
];

/** Installs what is missing of these engines; what cannot be installed stays missing, and is named then. */
export function install(engines) {
    const tools = engines.flatMap(({ tool }) => tool ?? []);
    if (tools.length > 0) {
        spawnSync(`${ROOT}tools/install`, tools, { stdio: 'inherit' });
    }
}
