/** The ABI's tables as the runtime's source has them, and the module of this package that repeats them (node only). */

import { readFileSync } from 'node:fs';

import { JS, ROOT } from './files.mjs';

/** What is generated, and what generates it. */
export const TARGET = `${JS}src/tables.js`;
export const COMMAND = 'ROOTSTOCK_UPDATE=1 node js/test/tables.test.mjs';

export const source = (file) => readFileSync(`${ROOT}runtime/core/src/${file}.rs`, 'utf8');

/** The rows of `name! { Variant, "text", 3, ...; ... }`, as lists of Rust expressions. */
function rows(file, macro) {
    const text = source(file);
    const start = text.indexOf(`\n${macro}! {`);
    const end = text.indexOf('\n}', start);
    if (start < 0 || end < 0) {
        throw new Error(`${file}.rs has no ${macro}! { ... }`);
    }
    const body = text.slice(text.indexOf('{', start) + 1, end);
    // strings, separators, and what is between them
    const tokens = body.match(/"(?:[^"\\]|\\.)*"|[,;]|[^",;]+/g).map((token) => token.trim());
    const found = [[]];
    for (const token of tokens.filter((part) => part !== '' && part !== ',')) {
        if (token === ';') {
            found.push([]);
        } else {
            found.at(-1).push(token);
        }
    }
    const rest = found.pop();
    if (rest.length > 0 || found.length === 0) {
        throw new Error(`${file}.rs: ${macro}! is not a list of rows that end with semicolons`);
    }
    return found;
}

/** A string literal, or a product of numbers and `MAX_VALUE`. */
function value(expression) {
    if (expression.startsWith('"')) {
        return JSON.parse(expression);
    }
    const factors = expression
        .split('*')
        .map((factor) => (factor.trim() === 'MAX_VALUE' ? 2 ** 31 - 1 : Number(factor.replaceAll('_', ''))));
    const product = factors.reduce((left, right) => left * right, 1);
    if (!Number.isInteger(product)) {
        throw new Error(`${expression}: not a string, nor a product of numbers`);
    }
    return product;
}

/** `fields`: the columns after the variant. */
function table(file, macro, fields) {
    return rows(file, macro).map(([variant, ...columns], number) => {
        if (columns.length !== fields.length) {
            throw new Error(`${file}.rs: ${variant} has ${columns.length} columns, not ${fields.length}`);
        }
        return { number, ...Object.fromEntries(fields.map((field, at) => [field, value(columns[at])])) };
    });
}

/** The tables, each with what is said of it. */
export function tables() {
    return {
        OPTIONS: {
            says: 'What `configure` takes, in the order of the numbers.',
            rows: table('options', 'options', ['name', 'default', 'min', 'max', 'meaning']),
        },
        STATS: {
            says: 'What `stat` reports, in the order of the numbers.',
            rows: table('stats', 'stats', ['name', 'unit', 'meaning']),
        },
        ERRORS: {
            says: 'What a trap can mean, in the order of the codes.',
            rows: table('error', 'errors', ['name', 'meaning', 'argument', 'advice']),
        },
    };
}

const literal = (text) =>
    typeof text === 'number' ? String(text) : `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;

/** The text of the module. */
export function moduleText() {
    const parts = [
        '/**\n' +
            ` * The ABI's tables of options, statistics and errors. Generated from the runtime's source by\n` +
            ` * \`${COMMAND}\`, which without the variable checks that they are the same.\n` +
            ' */\n',
    ];
    for (const [name, { says, rows: all }] of Object.entries(tables())) {
        const items = all.map((row) => {
            const fields = Object.entries(row).map(([field, content]) => `        ${field}: ${literal(content)},\n`);
            return `    {\n${fields.join('')}    },\n`;
        });
        parts.push(`/** ${says} */\nexport const ${name} = [\n${items.join('')}];\n`);
    }
    return parts.join('\n');
}
