// The sources of AssemblyScript's compiler, from the source map of its package: nothing of them is kept here.

import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { client } from '../rootstock/build.mjs';

const target = join(client, '../../../target/assemblyscript');
const distribution = join(target, 'node_modules/assemblyscript/dist');

/** Where the sources are put. */
export const folder = join(target, 'compiler');

function put(path, text) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
}

/** The numbers of Binaryen's interface that are not integers. */
const FLOATS = [
    [/^(_BinaryenLiteralFloat32|_BinaryenConst[GS]etValueF32|__f32_(load|store))$/, 'f32'],
    [/^(_BinaryenLiteralFloat64|_BinaryenConst[GS]etValueF64|__f64_(load|store))$/, 'f64'],
];

/** A type of TypeScript in a declaration: `value` if it is what a function sets or returns. */
function typeOf(type, name, { isValue = false, isAddress = false }) {
    if (type === 'boolean') return 'bool';
    if (type !== 'number') return type.replace(/<(number|boolean)>/g, '<u32>');
    if (isAddress) return 'Ref';
    return (isValue && FLOATS.find(([pattern]) => pattern.test(name))?.[1]) || 'u32';
}

/** Binaryen's interface, as functions that the compiler imports, of the declarations for TypeScript. */
function binaryenInterface(declarations) {
    const start = declarations.indexOf('declare module "types:assemblyscript/src/glue/binaryen" {');
    const lines = declarations.slice(start, declarations.indexOf('\n}\n', start)).split('\n');
    const text = ['type Ref = usize;'];
    for (const line of lines) {
        const [, alias, of] = line.match(/^ +export type (\S+) = (\w+);$/) ?? [];
        if (alias) text.push(`export type ${alias} = ${of === 'number' ? 'u32' : of};`);
        const [, name, list, result] = line.match(/^ +export function (\w+)\((.*)\): (.*);$/) ?? [];
        if (!name) continue;
        const parameters = list.split(/, (?=\w+:)/).filter(Boolean).map((parameter) => {
            const [, own, type] = parameter.match(/^(\w+): (.*)$/);
            return `${own}: ${typeOf(type, name, { isValue: own === 'x' || own === 'value', isAddress: own === 'ptr' || name === '_malloc' })}`;
        });
        text.push('// @ts-ignore: decorator',
            `@external("binaryen", "${name}") export declare function ${name}(${parameters.join(', ')}): ${typeOf(result, name, { isValue: true, isAddress: name === '_malloc' })};`);
    }
    return `${text.join('\n')}\n`;
}

/** Puts the sources into `folder`, ready to be compiled from `driver.ts`. */
export function extract() {
    rmSync(folder, { recursive: true, force: true });
    const { sources, sourcesContent } = JSON.parse(readFileSync(join(distribution, 'assemblyscript.js.map'), 'utf8'));
    sources.forEach((source, index) => {
        const path = source.replace(/^\.\.\//, '');
        if (/^src\/.*\.(ts|generated)$/.test(path)) put(path.replace(/\.generated$/, '.generated.ts'), sourcesContent[index]);
        if (path.startsWith('std/assembly/')) put(path, sourcesContent[index]);
    });
    put('src/bindings.ts', 'export * from "./bindings/js";\nexport * from "./bindings/tsd";\n');
    put('src/glue/binaryen.ts', binaryenInterface(readFileSync(join(distribution, 'assemblyscript.generated.d.ts'), 'utf8')));
    for (const file of ['glue.ts', 'driver.ts']) copyFileSync(join(client, 'compiler', file), join(folder, file));
}
