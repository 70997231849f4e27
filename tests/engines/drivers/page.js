/** The checks in a page, which posts their outcomes to the server that it came from. */

import { runChecks } from './checks.js';

const fetched = async (path) => {
    const response = await fetch(path);
    if (!response.ok) {
        throw new Error(`${path}: ${response.status}`);
    }
    return response;
};

try {
    const checks = await (await fetched('/programs/checks.json')).json();
    const results = await runChecks(checks, async (name) => (await fetched(`/programs/${name}.wasm`)).arrayBuffer());
    await fetch('/results', { method: 'POST', body: JSON.stringify({ results, agent: navigator.userAgent }) });
} catch (error) {
    await fetch('/results', { method: 'POST', body: JSON.stringify({ failure: String(error) }) });
}
