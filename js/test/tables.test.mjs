/**
 * The tables of options, statistics and errors are those of the runtime's source, word for word. ROOTSTOCK_UPDATE=1
 * writes them again.
 */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import test from 'node:test';

import { ABI_VERSION } from '../src/abi.js';
import { COMMAND, TARGET, moduleText, source, tables } from '../suite/rust-tables.mjs';

if (process.env.ROOTSTOCK_UPDATE === '1') {
    writeFileSync(TARGET, moduleText());
}
const module = await import('../src/tables.js');

test('the tables are those of the source', () => {
    for (const [name, { rows }] of Object.entries(tables())) {
        const found = module[name].map((row) => ({ ...row }));
        assert.deepEqual(found, rows, `js/src/tables.js differs from the runtime's: ${COMMAND}`);
    }
    // and nothing else is in the file, such as an edit by hand
    assert.equal(readFileSync(TARGET, 'utf8'), moduleText());
});

test('the reader of the source finds what is there', () => {
    const { OPTIONS, STATS, ERRORS } = tables();
    const named = ({ rows }, name) => rows.find((row) => row.name === name);
    assert.equal(named(OPTIONS, 'MIN_HEAP').default, 256 * 1024);
    assert.equal(named(OPTIONS, 'WRAP_LIMIT').max, 134_217_728);
    assert.match(source('options'), /const MAX_VALUE: u32 = i32::MAX as u32;/);
    assert.equal(named(STATS, 'MEMORY_PAGES').unit, 'pages');
    assert.match(named(ERRORS, 'NOT_AN_OBJECT').advice, /alloc/);
    for (const [table, enumeration, file] of [[OPTIONS, 'GcOption', 'options'], [STATS, 'Stat', 'stats'], [ERRORS, 'ErrorCode', 'error']]) {
        const [, body] = source(file).match(new RegExp(`pub enum ${enumeration} \\{([^}]*)\\}`));
        assert.equal(table.rows.length, body.match(/= \d+,/g).length, `rows for each variant of ${enumeration}`);
    }
});

test('the version of the ABI', () => {
    const [, version] = source('lib').match(/pub const ABI_VERSION: u32 = (\d+);/);
    assert.equal(ABI_VERSION, Number(version));
});
